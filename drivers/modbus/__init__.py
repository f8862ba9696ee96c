"""Meters on Modbus: what their registers mean. Portable; the wire is `drivers.linux.modbus`."""
