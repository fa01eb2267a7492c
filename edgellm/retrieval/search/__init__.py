"""Search in a collection: vectors and words to ranked passages."""

from edgellm.retrieval.search.search import Rerank as Rerank
from edgellm.retrieval.search.search import search as search
