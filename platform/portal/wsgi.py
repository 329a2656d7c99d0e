"""The WSGI application, for what computes."""

import gc
import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

application = get_wsgi_application()

# What is loaded by now stays: the collector needn't walk through all of it again and again.
gc.collect()
gc.freeze()
gc.set_threshold(20_000, 20, 100)
