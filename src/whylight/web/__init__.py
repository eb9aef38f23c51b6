"""The web application: upload a picture, see why; a Django project over the same jobs as the command line."""
