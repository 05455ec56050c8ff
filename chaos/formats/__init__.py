"""Plans from and to the formats of other tools: AWS FIS and LocalStack."""

from stagefright.chaos.formats.durations import format_duration, parse_duration
from stagefright.chaos.formats.fis import FisPlan, from_fis
from stagefright.chaos.formats.fis_export import to_fis
from stagefright.chaos.formats.localstack import from_localstack

__all__ = ["FisPlan", "format_duration", "from_fis", "from_localstack", "parse_duration", "to_fis"]
