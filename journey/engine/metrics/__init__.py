"""Figures over stored stays: volume, conversion, velocity, survival, flows. Arrays in, arrays out."""
