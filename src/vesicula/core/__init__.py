"""What every part may import: measurements, estimates, findings, studies, errors. Imports nothing of ours."""
