from dataclasses import dataclass


from whylight.images import read


@dataclass
class Upright:
    width: int
    height: int
    times: int


class Decoders:
    def __init__(self, count=2, megapixels=16):
        pass

    def upright(self, data, folder, *, view):
        r = read(data)
        p = r.picture
        (folder / "picture.ppm").write_bytes(b"P6 %d %d 255\n" % p.size + p.tobytes())
        if view:
            v = p.copy()
            v.thumbnail((1600, 1600))
            v.save(folder / "view.jpg", quality=85)
        return Upright(*r.size, r.times)
