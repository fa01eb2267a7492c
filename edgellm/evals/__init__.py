"""Is it better, and is it safe? Suites, scores with intervals, comparisons and reports."""
