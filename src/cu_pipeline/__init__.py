"""cu-pipeline: collect, label, learn, serve and watch short-video content understanding."""

__version__ = "0.1.0"
