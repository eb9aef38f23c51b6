"""The map on the moving picture: sources, explanations as fast as they come, sinks."""

from whylight.live.drawing import Look
from whylight.live.frame import Frame, Source
from whylight.live.sinks.lines import Lines
from whylight.live.sinks.video import VideoFile
from whylight.live.sources.names import open_source
from whylight.live.stats import Stats
from whylight.live.stream import Seen, stream

__all__ = ["Frame", "Lines", "Look", "Seen", "Source", "Stats", "VideoFile", "open_source", "stream"]
