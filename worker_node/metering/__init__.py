"""From the meter's samples to signed readings: meter thread, accumulator, checkpoint, cross-check, slot close."""
