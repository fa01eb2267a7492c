"""An EdgeLLM in memory whose answers are scripted: the app's other side in tests and pictures."""

from tests.tui.fakes.edge import FakeEdge
from tests.tui.fakes.models import card, installed
from tests.tui.fakes.preferences import FakePreferences
from tests.tui.fakes.scripts import Script, held, saying

__all__ = ["FakeEdge", "FakePreferences", "Script", "card", "held", "installed", "saying"]
