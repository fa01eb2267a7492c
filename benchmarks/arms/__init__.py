"""The programs that are compared, behind one small contract."""
