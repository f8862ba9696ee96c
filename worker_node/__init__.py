"""The meter daemon of one home: samples, signs, sends, checks its bill, schedules its battery (architecture 5-8)."""
