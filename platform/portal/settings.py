"""The one settings file. Values come from the environment through a typed reader; a value that
doesn't fit is reported by a system check (kernel.E001)."""

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

from csp.constants import NONE, SELF, UNSAFE_EVAL, UNSAFE_INLINE
from kernel import env

from portal import home

ROOT = Path(__file__).resolve().parent.parent.parent

# Where `var/` is: database, keys, logs, sandboxes' layers, managed repositories.
GATEHOUSE_HOME = Path(env.text("GATEHOUSE_HOME") or ROOT)
VAR = GATEHOUSE_HOME / "var"

DEBUG = env.flag("DEBUG")
SECRET_KEY = env.secret("SECRET_KEY") or home.secret(VAR, "secret_key")
CREDENTIAL_KEY = env.secret("CREDENTIAL_KEY") or home.secret(VAR, "credential_key")
# Fernet keys, separated by commas or blanks; the first encrypts, all decrypt (kernel.ciphers).
SECRETS_KEYS = env.secret("SECRETS_KEYS") or home.secret(VAR, "secrets_keys", home.cipher_key)
ALLOWED_HOSTS = env.items("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1],testserver")
CSRF_TRUSTED_ORIGINS = env.items("CSRF_TRUSTED_ORIGINS")
BASE_URL = env.text("BASE_URL", "http://127.0.0.1:8000")
CURRENCY = env.text("CURRENCY", "USD")

INSTALLED_APPS = [
    # unfold comes before django.contrib.admin, whose templates it replaces.
    "unfold",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "unfold.contrib.guardian",
    "unfold.contrib.simple_history",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "guardian",
    "simple_history",
    "csp",
    "kernel.apps.KernelConfig",
    "registry.apps.RegistryConfig",
    "governance.apps.GovernanceConfig",
    "context.apps.ContextConfig",
    "orchestration.apps.OrchestrationConfig",
    "observability.apps.ObservabilityConfig",
    "portal.apps.PortalConfig",
]

MIDDLEWARE = [
    "kernel.middleware.RequestIdMiddleware",
    "kernel.middleware.BodyLimitMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "portal.policy.AdminContentPolicyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "simple_history.middleware.HistoryRequestMiddleware",
    "kernel.middleware.ActorMiddleware",
    "portal.pages.problems.ProblemPageMiddleware",
]

ROOT_URLCONF = "portal.urls"
CSRF_FAILURE_VIEW = "portal.faults.stale_form"
WSGI_APPLICATION = "portal.wsgi.application"
ASGI_APPLICATION = "portal.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [ROOT / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "portal.navigation.context",
            ]
        },
    }
]


def _database(url: str) -> dict[str, object]:
    """`postgres://user:password@host:port/name`, or empty for SQLite in the home."""
    if not url:
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": VAR / "gatehouse.sqlite3",
            "OPTIONS": {
                # A write lock is taken at BEGIN: a transaction that reads first can't be refused
                # later because another one wrote in between.
                "transaction_mode": "IMMEDIATE",
                "timeout": 30,
                "init_command": (
                    "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; "
                    "PRAGMA foreign_keys=ON; PRAGMA mmap_size=134217728; PRAGMA cache_size=-4000"
                ),
            },
            # Threads are pooled, so connections are few, and opening one costs more than a query.
            "CONN_MAX_AGE": env.integer("DATABASE_CONN_MAX_AGE", 600),
            # A file, so that threads of the tests see one database, and one for each test process.
            "TEST": {"NAME": env.text("TEST_DATABASE") or VAR / f"test-{os.getpid()}.sqlite3"},
        }
    parts = urlsplit(url)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.path.lstrip("/"),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or "",
        "PORT": str(parts.port or ""),
        "CONN_MAX_AGE": env.integer("DATABASE_CONN_MAX_AGE", 600),
        "CONN_HEALTH_CHECKS": True,
        # Django takes the driver's prepared statements away unless told.
        "OPTIONS": {"prepare_threshold": 5} if DATABASE_PREPARED else {},
    }


# PostgreSQL keeps the plans of the hottest statements. Off behind a pooler that can't (PgBouncer
# before 1.21 in transaction mode).
DATABASE_PREPARED = env.flag("DATABASE_PREPARED", default=True)
DATABASES = {"default": _database(env.secret("DATABASE_URL"))}


AUTH_USER_MODEL = "registry.User"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "guardian.backends.ObjectPermissionBackend",
]
ANONYMOUS_USER_NAME = None
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "/login/"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/login/"

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True
FORMAT_MODULE_PATH = ["portal.formats"]

STATIC_URL = "/static/"
STATIC_ROOT = VAR / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = True

DATA_UPLOAD_MAX_MEMORY_SIZE = env.integer("MAX_BODY_BYTES", 10 * 1024 * 1024)

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "registry.authentication.KeyAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["kernel.permissions.IsKnown"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "portal.openapi.DoorSchema",
    "EXCEPTION_HANDLER": "kernel.problems.handle",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Gatehouse",
    "DESCRIPTION": "The REST door for agents and for people's own programs.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
}

# Celery only delivers: no result backend, no beat, no retries. The database is the truth.
CELERY_BROKER_URL = env.secret("CELERY_BROKER_URL") or "memory://localhost"
EMBEDDED = CELERY_BROKER_URL.startswith("memory:")

# Strict everywhere; /admin/ alone needs Alpine's evaluator (portal.policy).
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "object-src": [NONE],
        "base-uri": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}
ADMIN_CONTENT_POLICY = {"script-src": [SELF, UNSAFE_EVAL], "style-src": [SELF, UNSAFE_INLINE]}
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"

# Behind TLS: HTTPS=true turns on what only makes sense there.
HTTPS = env.flag("HTTPS")
SECURE_SSL_REDIRECT = HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SECURE_HSTS_PRELOAD = HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SESSION_COOKIE_SECURE = HTTPS
CSRF_COOKIE_SECURE = HTTPS

# What tools may query: TOOL_DATABASE_<NAME> (or …_FILE) is the address behind the name that a tool
# gives, `postgres://…` or `sqlite:<path>`. No call and no tool's entry ever holds an address.
TOOL_DATABASES = env.secrets_of("TOOL_DATABASE_")

# Sandbox: what may be weaker, how many may run at once on this machine, how many may wait booted
# for a call beside them, and what installed packages may take of the disk.
SANDBOX_WEAK_LIMITS = env.flag("SANDBOX_WEAK_LIMITS", default=(VAR / "weak_limits").exists())
SANDBOX_PARALLEL = env.integer("SANDBOX_PARALLEL", 8, least=1)
SANDBOX_WARM = env.integer("SANDBOX_WARM", 4, least=0)
SANDBOX_PACKAGES_BYTES = env.integer("SANDBOX_PACKAGES_BYTES", 4 << 30, least=1 << 20)
STARTER_PARALLEL = env.integer("STARTER_PARALLEL", 4, least=1)

UNFOLD = {
    "SITE_TITLE": "Gatehouse",
    "SITE_HEADER": "Gatehouse",
    "SITE_SUBHEADER": "Platform administration",
    "SITE_URL": "/",
    "SITE_ICON": "portal.navigation.icon",
    "STYLES": ["portal.navigation.admin_style"],
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": "portal.navigation.icon"},
    ],
    "COLORS": {
        "primary": {
            "50": "#eff5fd",
            "100": "#dfeafb",
            "200": "#bfd5f7",
            "300": "#94b8f1",
            "400": "#5f93e8",
            "500": "#3674db",
            "600": "#1f5fc9",
            "700": "#1a4fa8",
            "800": "#173f85",
            "900": "#14346b",
            "950": "#0d2045",
        }
    },
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "SIDEBAR": {"show_search": True, "navigation": "portal.navigation.sidebar"},
}

LOG_LEVEL = env.text("LOG_LEVEL", "INFO")
LOGGING_CONFIG = "portal.logs.configure"
LOGGING = {"level": LOG_LEVEL}
