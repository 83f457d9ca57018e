from cu_pipeline.core.hashing import unit_interval
from cu_pipeline.core.records import Split
from cu_pipeline.splitting.options import SplitOptions


def split_of(unit: str, options: SplitOptions) -> Split:
    """Give a unit's split, from a hash of its name alone, so that it stays when other units come or go.

    Where test clips are told by their date, this divides the others.

    >>> split_of("creator:ann", SplitOptions(train=1, validation=0, test=0))
    <Split.TRAIN: 'train'>
    """
    place = unit_interval(f"{options.salt}:{unit}")
    if options.test_from is not None:
        return Split.TRAIN if place * (options.train + options.validation) < options.train else Split.VALIDATION
    if place < options.train:
        return Split.TRAIN
    return Split.VALIDATION if place < options.train + options.validation else Split.TEST
