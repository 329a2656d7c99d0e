"""Is every value of one JSON Schema a value of another?

`gaps(before, after)` is empty only where that is proven; what can't be proven is a gap too. So it
errs on one side alone. Sources: JSON Schema 2020-12 (core and validation); the structural rules
follow Habib et al., "Finding data compatibility bugs with JSON subschema checks" (ISSTA 2021).
"""

from registry.inclusion.frame import Reading
from registry.inclusion.gaps import Gap
from registry.inclusion.proof import gaps

__all__ = ["Gap", "Reading", "gaps"]
