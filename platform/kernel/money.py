"""Money: integer micro-units in the database, Decimal in Python, a string in JSON."""

from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

MICROS = Decimal(1_000_000)


class MoneyError(ValueError):
    """A text or number that is no amount of money."""


def to_micros(amount: Decimal | int | str | float) -> int:
    """The amount in micro-units, rounded half up. Raises MoneyError for no finite number."""
    try:
        # By way of str: the float 0.01 means the price 0.01, not its binary neighbour.
        value = Decimal(str(amount))
    except InvalidOperation as error:
        raise MoneyError(f"{amount!r} is not an amount of money") from error
    if not value.is_finite():
        raise MoneyError(f"{amount!r} is not a finite amount of money")
    return int((value * MICROS).to_integral_value(ROUND_HALF_UP))


def from_micros(micros: int) -> Decimal:
    """The amount in whole currency units."""
    return Decimal(micros) / MICROS


def text(micros: int) -> str:
    """The amount as JSON and pages show it: two decimals, and more only where they count."""
    whole = f"{from_micros(micros):.6f}"
    return whole[:-4] + whole[-4:].rstrip("0")
