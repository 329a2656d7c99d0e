"""Named patterns of what shouldn't be kept: keys to other systems, and personal data.

Expressions are RE2's (https://github.com/google/re2/wiki/Syntax), which takes linear time on any
text. What an expression can't say (check digits, entropy, what stands around) a check says.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from governance import checksums

Check = Callable[[str], bool]

KEYS, PERSONAL = "keys", "personal"


@dataclass(frozen=True)
class Detector:
    """One named pattern. `group` is the part that is masked; `check` is asked about that part, and
    `alone` says that no letter or digit may stand beside it."""

    name: str
    kind: str
    pattern: str
    check: Check | None = None
    group: int = 0
    alone: bool = False


def _entropy(text: str) -> float:
    """Shannon's entropy of the text's characters, in bits per character."""
    total = len(text)
    return -sum(n / total * math.log2(n / total) for n in Counter(text).values())


_PLAIN = re.compile(
    r"[$<{%\[(*]|^(?:x{3,}|\.+|-+|your|my|example|changeme|change_me|placeholder|redacted|none|null|"
    r"true|false|string|test|dummy|process\.env|os\.|self\.|settings\.|config\.)",
    re.IGNORECASE,
)
_WORDS = re.compile(r"[A-Za-z]+(?:[._/:-][A-Za-z]+)*[;,.)\]}]*\Z")


def is_random(text: str) -> bool:
    """Whether a value looks made by chance: letters and digits without words or a structure."""
    if len(text) < 12 or _PLAIN.search(text) or _WORDS.match(text):
        return False
    if not (any(map(str.isdecimal, text)) and any(map(str.isalpha, text))):
        return False
    return _entropy(text) >= 3.0


def is_password(text: str) -> bool:
    """Whether what follows `password` is one, and no word of a program or a form."""
    if len(text) < 4 or _PLAIN.search(text) or text.endswith((":", "(")):
        return False
    return not _WORDS.match(text)


def _is_address(text: str) -> bool:
    local, _, domain = text.rpartition("@")
    return local != "git" and domain.rsplit(".", 1)[-1].lower() not in _FILES


_FILES = frozenset(
    "png jpg jpeg gif svg webp ico css js mjs ts tsx jsx py rb go rs java "
    "json yaml yml md txt html".split()
)


def _is_international(text: str) -> bool:
    return 8 <= len(checksums.digits(text)) <= 15


def _is_american(text: str) -> bool:
    """The numbering plan of North America: neither part begins with 0 or 1, nor ends in 11."""
    number = checksums.digits(text)[-10:]
    return all(part[0] in "23456789" and part[1:] != "11" for part in (number[:3], number[3:6]))


_NAMES = (
    r"(?:api[_-]?key|apikey|access[_-]?key|secret[_-]?key|client[_-]?secret|secret|auth[_-]?token|"
    r"access[_-]?token|refresh[_-]?token|token|private[_-]?key|account[_-]?key|signing[_-]?key|"
    r"encryption[_-]?key|credential)s?"
)
_PASSWORDS = r"(?:password|passwd|pwd|passphrase|passwort|mot_de_passe|contrase[nñ]a)"
_IS = r"""[A-Za-z0-9_]{0,30}["'`\]]{0,2}\s{0,4}(?:=>|:=|==?|:)\s{0,4}["'`]?"""

DETECTORS = (
    Detector("aws_access_key", KEYS, r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}\b"),
    Detector(
        "google_key",
        KEYS,
        r"\bAIza[0-9A-Za-z_\-]{35}|\bya29\.[0-9A-Za-z_\-]{20,500}"
        r"|\bGOCSPX-[0-9A-Za-z_\-]{20,60}",
    ),
    Detector(
        "github_token",
        KEYS,
        r"\b(?:gh[pousr]_[A-Za-z0-9]{36,255}"
        r"|github_pat_[A-Za-z0-9_]{22,255})",
    ),
    Detector("gitlab_token", KEYS, r"\bgl(?:pat|dt|ft|rt|soat|cbt|ptt|agent|oas)-[\w\-]{20,100}"),
    Detector(
        "slack_token",
        KEYS,
        r"\bxox[abeprs]-[A-Za-z0-9\-]{10,200}"
        r"|\bxapp-\d-[A-Za-z0-9\-]{20,200}"
        r"|hooks\.slack\.com/services/T\w{6,20}/B\w{6,20}/\w{16,40}",
    ),
    Detector(
        "stripe_key",
        KEYS,
        r"\b(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{16,200}"
        r"|\bwhsec_[A-Za-z0-9]{24,100}",
    ),
    Detector(
        "model_key",
        KEYS,
        r"\bsk-(?:ant-|proj-|svcacct-|admin-|or-v1-)?[A-Za-z0-9_\-]{20,250}",
        check=lambda text: is_random(text[3:]),
    ),
    Detector(
        "package_token",
        KEYS,
        r"\bnpm_[A-Za-z0-9]{36}\b|\bpypi-[A-Za-z0-9_\-]{50,500}"
        r"|\bhf_[A-Za-z0-9]{30,60}\b|\bdckr_pat_[\w\-]{20,60}",
    ),
    Detector(
        "service_token",
        KEYS,
        r"\bSG\.[\w\-]{16,40}\.[\w\-]{16,80}|\bdo[opr]_v1_[a-f0-9]{64}\b"
        r"|\bhv[sb]\.[\w\-]{20,200}|\bshp(?:at|ss|ca|pa)_[a-fA-F0-9]{32}\b|\bSK[0-9a-f]{32}\b"
        r"|\b\d{8,10}:AA[\w\-]{33}\b|\bdapi[a-f0-9]{32}\b|\blin_api_[A-Za-z0-9]{32,60}\b",
    ),
    Detector("gatehouse_key", KEYS, r"\bgh_[0-9a-f]{12}_[\w\-]{40,60}"),
    Detector("jwt", KEYS, r"\beyJ[\w\-]{8,}\.eyJ[\w\-]{8,}\.[\w\-]*"),
    Detector(
        "private_key",
        KEYS,
        r"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY[A-Z ]{0,10}-----"
        r"(?:[^\x00]*?-----END [A-Z0-9 ]{0,30}PRIVATE KEY[A-Z ]{0,10}-----|[A-Za-z0-9+/=\s\\]*)",
    ),
    Detector(
        "url_password",
        KEYS,
        r"""\b[a-z][a-z0-9+.\-]{1,20}://[^\s/:@\x00"'<>]{0,100}:"""
        r"""([^\s/@\x00"'<>]{3,200})@""",
        check=lambda text: not _PLAIN.search(text),
        group=1,
    ),
    Detector(
        "authorization",
        KEYS,
        r"(?i)\b(?:bearer|basic|token)\s{1,3}([A-Za-z0-9._~+/\-]{16,}=*)",
        check=is_random,
        group=1,
    ),
    Detector(
        "assignment",
        KEYS,
        rf"(?i){_NAMES}{_IS}([A-Za-z0-9_.~+/=\-]{{12,500}})",
        check=is_random,
        group=1,
    ),
    Detector(
        "password",
        KEYS,
        rf"""(?i){_PASSWORDS}{_IS}([^\s"'`,;<>\x00]{{4,200}})""",
        check=is_password,
        group=1,
    ),
    Detector(
        "email",
        PERSONAL,
        r"\b[A-Za-z0-9][\w.%+\-]{0,63}@(?:[A-Za-z0-9\-]{1,63}\.){1,8}[A-Za-z]{2,24}\b",
        check=_is_address,
    ),
    Detector(
        "phone",
        PERSONAL,
        r"\+[1-9]\d{0,2}(?:[ .\-/]?\(?\d{1,5}\)?){2,6}",
        check=_is_international,
        alone=True,
    ),
    Detector(
        "phone",
        PERSONAL,
        r"(?:\b1[-. ])?(?:\([2-9]\d{2}\) ?|\b[2-9]\d{2}[-.])[2-9]\d{2}[-. ]\d{4}\b",
        check=_is_american,
        alone=True,
    ),
    Detector(
        "credit_card",
        PERSONAL,
        r"\b[2-6]\d{3}(?:[ \-]?\d{4}){2}[ \-]?\d{2,7}\b"
        r"|\b3[47]\d{2}[ \-]?\d{6}[ \-]?\d{5}\b|\b3[068]\d{2}[ \-]?\d{6}[ \-]?\d{4}\b",
        check=checksums.card,
        alone=True,
    ),
    Detector(
        "iban",
        PERSONAL,
        r"(?i)\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b",
        check=checksums.iban,
        alone=True,
    ),
    Detector("us_ssn", PERSONAL, r"\b\d{3}-\d{2}-\d{4}\b", check=checksums.us_ssn, alone=True),
    Detector(
        "gb_nino",
        PERSONAL,
        r"\b[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d{2} ?\d{2} ?\d{2} ?[A-D]\b",
        check=lambda text: text[:2] not in ("BG", "GB", "KN", "NK", "NT", "TN", "ZZ"),
        alone=True,
    ),
    Detector(
        "fr_nir",
        PERSONAL,
        r"\b[12] ?\d{2} ?(?:0[1-9]|1[0-2]|[2-9]\d) ?(?:\d{2}|2[AB]) ?\d{3} ?\d{3} ?\d{2}\b",
        check=checksums.fr_nir,
        alone=True,
    ),
    Detector(
        "es_dni",
        PERSONAL,
        r"\b(?:[XYZ]-?\d{7}|\d{8})-?[A-HJ-NP-TV-Z]\b",
        check=checksums.es_dni,
        alone=True,
    ),
    Detector(
        "it_codice_fiscale",
        PERSONAL,
        r"(?i)\b[A-Z]{6}[0-9LMNPQRSTUV]{2}[A-EHLMPRST][0-9LMNPQRSTUV]{2}[A-Z][0-9LMNPQRSTUV]{3}[A-Z]\b",
        check=checksums.it_codice,
        alone=True,
    ),
    Detector("pl_pesel", PERSONAL, r"\b\d{11}\b", check=checksums.pl_pesel, alone=True),
    Detector(
        "se_personnummer",
        PERSONAL,
        r"\b(?:19|20)?\d{6}[-+]\d{4}\b",
        check=checksums.se_personnummer,
        alone=True,
    ),
    Detector(
        "br_cpf", PERSONAL, r"\b\d{3}\.\d{3}\.\d{3}-\d{2}\b", check=checksums.br_cpf, alone=True
    ),
)

NATIONAL = ("us_ssn", "gb_nino", "fr_nir", "es_dni", "it_codice_fiscale", "pl_pesel",
            "se_personnummer", "br_cpf")  # fmt: skip
GROUPS: Mapping[str, frozenset[str]] = {
    KEYS: frozenset(each.name for each in DETECTORS if each.kind == KEYS),
    PERSONAL: frozenset(each.name for each in DETECTORS if each.kind == PERSONAL),
    "national_id": frozenset(NATIONAL),
}
NAMES = tuple(sorted({each.name for each in DETECTORS} | set(GROUPS)))
"""What a policy may name: each pattern, and the groups of them."""


def expanded(names: frozenset[str]) -> frozenset[str]:
    """The patterns behind names, the groups' own included."""
    return frozenset(one for name in names for one in GROUPS.get(name, {name}))


_KEYED = re.compile(rf"(?i)(?:^|[_\-. a-z]){_NAMES}\Z")
_KEYED_PASSWORD = re.compile(rf"(?i)(?:^|[_\-. a-z]){_PASSWORDS}\Z")


@lru_cache(maxsize=4096)
def of_member(name: str) -> tuple[str, Check] | None:
    """The pattern that the value of an object's member falls under because of its name."""
    if len(name) > 100:
        return None
    if _KEYED_PASSWORD.search(name):
        return "password", _is_given
    return ("assignment", is_random) if _KEYED.search(name) else None


def _is_given(text: str) -> bool:
    return len(text) >= 4 and not _PLAIN.search(text) and text not in _TYPES


_TYPES = frozenset("string str text varchar password char bytes SecretStr hidden required".split())
