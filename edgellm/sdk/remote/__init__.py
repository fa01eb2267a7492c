"""An EdgeLLM server, used like EdgeLLM in this program."""

from edgellm.sdk.remote.client import RemoteEdgeLLM

__all__ = ["RemoteEdgeLLM"]
