"""The camera page: small frames in, coarse maps out, nothing stored."""
