"""The checker of types and axis names in tests: beartype, taking an int where a float is wanted."""

from beartype import BeartypeConf, beartype

check = beartype(conf=BeartypeConf(is_pep484_tower=True))
