"""How amounts of money are written."""

import numpy as np


def dollars(value: float) -> str:
    """Write US dollars: cents from ten of them on, two digits that count below, never as a power of ten.

    >>> dollars(3.5), dollars(1234.5), dollars(0.0021), dollars(0.0000044), dollars(0)
    ('$3.50', '$1,234.50', '$0.0021', '$0.0000044', '$0.00')
    """
    if value == 0 or value >= 0.1:
        return f"${value:,.2f}"
    return f"${np.format_float_positional(value, precision=2, fractional=False, trim='-')}"
