"""A collection: one SQLite file with files, texts, passages, vectors and words."""

from edgellm.retrieval.collection.collection import Collection as Collection
from edgellm.retrieval.collection.records import StoredChunk as StoredChunk
from edgellm.retrieval.collection.records import StoredFile as StoredFile
from edgellm.retrieval.collection.reembed import Reembedding as Reembedding
