"""What Worker and Queen must agree on: units, messages, settlement, market. Pure: no clock, socket, disk, log."""
