"""The web application: upload a picture, see why. Django; the workers alone load torch, the web process never does."""
