"""What a home will need and what its roof will give: point and quantiles, from the home's own history.

forecaster    HomeForecaster: fit, predict
outlook       Forecast: kW per slot, 10 to 90 %, corrected by what was just measured
clock         LocalClock: civil time for people, standard time for the sun
recent        forecast_day: the mean of the same slot over 28 days, without numpy arrays
backtest      rolling origin over measured series, against the 28-day figure
"""

from honey_edge.market.forecast.clock import LocalClock, civil_changes
from honey_edge.market.forecast.forecaster import HomeForecaster
from honey_edge.market.forecast.outlook import Forecast
from honey_edge.market.forecast.recent import forecast_day
from honey_edge.market.forecast.weather import WeatherFeed

__all__ = ["Forecast", "HomeForecaster", "LocalClock", "WeatherFeed", "civil_changes", "forecast_day"]
