from django.core.files.uploadhandler import MemoryFileUploadHandler


class Receiving(MemoryFileUploadHandler):
    def handle_raw_input(self, *a, **k):
        self.activated = True
