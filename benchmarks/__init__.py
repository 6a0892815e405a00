"""Figures, not verdicts: each program here measures one thing and prints it. Ratios within one run; see each one's top."""
