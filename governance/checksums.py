"""Check digits of numbers that name people and accounts: pure, each with its source."""

from datetime import date

IBAN_LENGTHS = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22,
    "BR": 29, "BY": 28, "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DK": 18, "DO": 28,
    "EE": 20, "EG": 29, "ES": 24, "FI": 18, "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23,
    "GL": 18, "GR": 27, "GT": 28, "HR": 21, "HU": 28, "IE": 22, "IL": 23, "IQ": 23, "IS": 26,
    "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LC": 32, "LI": 21, "LT": 20, "LU": 20,
    "LV": 21, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MR": 27, "MT": 31, "MU": 30, "NL": 18,
    "NO": 15, "PK": 24, "PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22, "SA": 24,
    "SC": 31, "SE": 24, "SI": 19, "SK": 24, "SM": 27, "ST": 25, "SV": 28, "TL": 23, "TN": 24,
    "TR": 26, "UA": 29, "VA": 22, "VG": 24, "XK": 20,
}  # fmt: skip
"""Of the IBAN registry (SWIFT, ISO 13616)."""

_ODD = (
    1,
    0,
    5,
    7,
    9,
    13,
    15,
    17,
    19,
    21,
    2,
    4,
    18,
    20,
    11,
    3,
    6,
    8,
    12,
    14,
    16,
    10,
    22,
    25,
    24,
    23,
)
_CF_ODD = dict(zip("0123456789", _ODD[:10], strict=True)) | dict(
    zip("ABCDEFGHIJKLMNOPQRSTUVWXYZ", _ODD, strict=True)
)


def digits(text: str) -> str:
    return "".join(filter(str.isdecimal, text))


def luhn(number: str) -> bool:
    """ISO/IEC 7812-1, annex B."""
    total = 0
    for place, digit in enumerate(reversed(number)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def card(text: str) -> bool:
    """A payment card's number: the lengths and prefixes of the large networks, and Luhn."""
    number = digits(text)
    length, two, three, four = len(number), int(number[:2]), int(number[:3]), int(number[:4])
    known = (
        (number[0] == "4" and length in (16, 19))
        or (length == 16 and (51 <= two <= 55 or 2221 <= four <= 2720))
        or (length == 15 and two in (34, 37))
        or (length == 16 and (four == 6011 or two == 65 or 644 <= three <= 649))
        or (16 <= length <= 19 and two == 62)
        or (length == 16 and 3528 <= four <= 3589)
        or (length == 14 and (two in (36, 38, 39) or 300 <= three <= 305))
    )
    return known and len(set(number)) > 1 and luhn(number)


def iban(text: str) -> bool:
    """ISO 13616: the country's length, and 97-10 of ISO 7064."""
    plain = text.replace(" ", "").upper()
    if len(plain) != IBAN_LENGTHS.get(plain[:2]):
        return False
    moved = plain[4:] + plain[:4]
    return int("".join(str(int(letter, 36)) for letter in moved)) % 97 == 1


def us_ssn(text: str) -> bool:
    """Of the Social Security Administration: areas, groups and serials that are never issued."""
    area, group, serial = text[:3], text[4:6], text[7:]
    return area not in ("000", "666") and area < "900" and group != "00" and serial != "0000"


def fr_nir(text: str) -> bool:
    """INSEE: the key is 97 - number modulo 97; Corsica's 2A and 2B count as 19 and 18."""
    plain = "".join(filter(str.isalnum, text)).upper()
    number = plain[:13].replace("2A", "19").replace("2B", "18")
    return number.isdecimal() and 97 - int(number) % 97 == int(plain[13:])


def es_dni(text: str) -> bool:
    """Spain's DNI and NIE: the letter is the number modulo 23."""
    number = text[:-1].replace("-", "").upper()
    number = str("XYZ".find(number[0])) + number[1:] if number[0] in "XYZ" else number
    return "TRWAGMYFPDXBNJZSQVHLCKE"[int(number) % 23] == text[-1].upper()


def it_codice(text: str) -> bool:
    """Decreto ministeriale of 23 December 1976: the last letter is a sum modulo 26."""
    plain = text.upper()
    total = sum(
        _CF_ODD[letter] if place % 2 == 0 else int(letter, 36) - (0 if letter.isdecimal() else 10)
        for place, letter in enumerate(plain[:15])
    )
    return chr(ord("A") + total % 26) == plain[15]


def pl_pesel(text: str) -> bool:
    """Weights 1, 3, 7, 9, and a date of birth whose month carries the century."""
    weights = (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)
    if sum(w * int(d) for w, d in zip(weights, text, strict=True)) % 10:
        return False
    centuries = {0: 1900, 1: 2000, 2: 2100, 3: 2200, 4: 1800}
    century, month = divmod(int(text[2:4]), 20)
    return _is_date(centuries[century] + int(text[:2]), month, int(text[4:6]))


def se_personnummer(text: str) -> bool:
    """Skatteverket: Luhn over ten digits; the day is 60 higher in a coordination number."""
    number = digits(text)[-10:]
    day = int(number[4:6])
    return luhn(number) and _is_date(2000, int(number[2:4]), day - 60 if day > 60 else day)


def br_cpf(text: str) -> bool:
    """Receita Federal: two check digits modulo 11."""
    number = digits(text)
    if len(set(number)) == 1:
        return False
    for length in (9, 10):
        total = sum(int(number[i]) * (length + 1 - i) for i in range(length))
        if total * 10 % 11 % 10 != int(number[length]):
            return False
    return True


def _is_date(year: int, month: int, day: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True
