"""`python -m launch doctor`: whether a machine or an allocation is ready for a run.

Each check is a function in a file of its group and a row in `launch.doctor.checks`. It looks at one
process, one host, or all processes together, and returns a finding: ok, warning or failed, the
figure, and the cure.
"""
