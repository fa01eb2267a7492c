"""A chat window in one file: a desktop program with a model of its own inside.

    .venv/bin/pip install PySide6-Essentials
    .venv/bin/python examples/desktop/window.py

What EdgeLLM keeps lies in the program's own data folder. The model works in a process of its own, which ends with the
window; the answer is read by a thread, so that the window never waits.
"""

import sys
import threading
from pathlib import Path

from PySide6.QtCore import QObject, QStandardPaths, Signal
from PySide6.QtGui import QTextCursor
from PySide6.QtWidgets import QApplication, QLineEdit, QPlainTextEdit, QPushButton, QVBoxLayout, QWidget

from edgellm import Delta, EdgeLLM, EdgeLLMError


class Answer(QObject):
    """Reads one answer in a thread and hands its pieces to the window."""

    said = Signal(str)
    ended = Signal()

    def __init__(self, edge: EdgeLLM, question: str) -> None:
        super().__init__()
        self._edge, self._question = edge, question
        self._is_stopped = False
        self._thread = threading.Thread(target=self._read)

    def start(self) -> None:
        """Ask."""
        self._thread.start()

    def _read(self) -> None:
        try:
            with self._edge.chat(self._question, stream=True) as stream:
                for event in stream:
                    if self._is_stopped:
                        stream.cancel()
                    if isinstance(event, Delta):
                        self.said.emit(event.text)
        except EdgeLLMError as error:
            self.said.emit(f"\n[{error}]")
        self.ended.emit()

    def stop(self) -> None:
        """From the window: no more words."""
        self._is_stopped = True

    def wait(self) -> None:
        """Until the thread has ended."""
        self._thread.join()


class Window(QWidget):
    """A question, its answer, and a button that stops it."""

    def __init__(self, edge: EdgeLLM) -> None:
        super().__init__()
        self.setWindowTitle("EdgeLLM inside")
        self._edge = edge
        self._answer: Answer | None = None
        self.answer = QPlainTextEdit()
        self.answer.setReadOnly(True)
        self.question = QLineEdit()
        self.question.setPlaceholderText("Ask something")
        self.question.returnPressed.connect(self.ask)
        self.stop = QPushButton("Stop")
        self.stop.setEnabled(False)
        self.stop.clicked.connect(self._stop)
        layout = QVBoxLayout(self)
        for widget in (self.answer, self.question, self.stop):
            layout.addWidget(widget)

    def ask(self) -> None:
        """Send what was typed; one answer at a time."""
        text = self.question.text().strip()
        if not text or self._answer is not None:
            return
        self.question.clear()
        self.answer.setPlainText(f"{text}\n\n")
        self._answer = Answer(self._edge, text)
        self.answer.moveCursor(QTextCursor.MoveOperation.End)
        self._answer.said.connect(self.answer.insertPlainText)
        self._answer.ended.connect(self._done)
        self.stop.setEnabled(True)
        self._answer.start()

    @property
    def is_answering(self) -> bool:
        """Whether an answer is being written."""
        return self._answer is not None

    def closeEvent(self, event) -> None:
        """End the answer before the window goes."""
        if self._answer is not None:
            self._answer.stop()
            self._answer.wait()
        super().closeEvent(event)

    def _stop(self) -> None:
        if self._answer is not None:
            self._answer.stop()

    def _done(self) -> None:
        self._answer = None
        self.stop.setEnabled(False)


def main() -> int:
    """Open the window. Returns the exit code."""
    app = QApplication(sys.argv)
    app.setApplicationName("edgellm-window")
    data = Path(QStandardPaths.writableLocation(QStandardPaths.StandardLocation.AppDataLocation))
    with EdgeLLM(home=data / "edgellm") as edge:
        window = Window(edge)
        window.resize(640, 480)
        window.show()
        return app.exec()


if __name__ == "__main__":
    sys.exit(main())
