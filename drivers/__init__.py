"""Bytes in, samples out: metering chips, Modbus meters, their buses, and simulators that answer byte by byte."""
