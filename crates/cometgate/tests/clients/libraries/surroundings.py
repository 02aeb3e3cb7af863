"""What stage.py tells a test program."""

import os

from pydantic import BaseModel

URL = os.environ["GATEWAY_URL"]
KEY = os.environ["GATEWAY_KEY"]
SERVED_BY = os.environ["SERVED_BY"]

HELLO = f"Hello from {SERVED_BY}, wörd by wörd."
HEARD = f"{SERVED_BY} heard: 7 degrees"
VECTOR = [0.5, -0.25, 1.0]
# What the provider refuses as told.
FAIL_400, FAIL_429 = "please fail with 400", "please fail with 429"


class City(BaseModel):
    """Where somebody is."""

    city: str


OSLO = City(city="Oslo")


def weather(city: str) -> str:
    """The weather in a city."""
    return "7 degrees"
