"""How many messages one sender may bring: a token bucket, so that a flood is counted and dropped."""


class TokenBucket:
    """Allows `burst` at once and `per_minute` in the long run; time is an argument."""

    def __init__(self, per_minute: int, burst: int, now_unix_s: float) -> None:
        self._per_s = per_minute / 60
        self._burst = float(burst)
        self._tokens = float(burst)
        self._at_unix_s = now_unix_s

    def take(self, now_unix_s: float) -> bool:
        """Whether one more message may pass now."""
        gained = max(0.0, now_unix_s - self._at_unix_s) * self._per_s
        self._tokens = min(self._burst, self._tokens + gained)
        self._at_unix_s = max(self._at_unix_s, now_unix_s)
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
