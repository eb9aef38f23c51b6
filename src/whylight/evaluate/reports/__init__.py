"""From records to figures, curves and pages."""
