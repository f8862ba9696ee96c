"""The sensor head: a microcontroller at the chip that counts while the Pi sleeps, and the Worker's reader of it.

Portable but for `main`, which is the program on the board. docs/hardware/sensor-head.md tells how it is used.
"""
