"""The camera page: small frames in, coarse maps out, nothing stored.

A frame is opened by a process of `intake`, and its bare pixels go to the eye, the one process with torch, which answers at once. No
database, no queue and no file are touched on the way.
"""
