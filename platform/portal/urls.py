"""Every address of the platform. Each app lists its own pages and REST doors in `urls.py`."""

from django.contrib import admin
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

import context.urls
import governance.urls
import observability.urls
import orchestration.urls
import portal.views
import registry.urls

APPS = (registry.urls, governance.urls, context.urls, orchestration.urls, observability.urls)

api = [pattern for app in APPS for pattern in app.api]

urlpatterns = [
    *portal.views.pages,
    *(pattern for app in APPS for pattern in app.pages),
    path("api/v1/", include(api)),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerView.as_view(url_name="schema"), name="docs"),
    path("admin/", admin.site.urls),
]

handler400 = "portal.faults.bad_request"
handler403 = "portal.faults.forbidden"
handler404 = "portal.faults.not_found"
handler500 = "portal.faults.internal_error"
