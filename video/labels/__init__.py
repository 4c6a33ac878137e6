"""Labels of moments: files of the field are read, and joined to recordings by time.

`formats` and `many` read labels, one or several at a time; `joining` gives each moment what holds
then.
"""
