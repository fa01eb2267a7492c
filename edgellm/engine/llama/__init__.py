"""The backend contract kept by llama.cpp; the only imports of llama_cpp."""
