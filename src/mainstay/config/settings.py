"""Django's settings, derived from the installation's layout and its environment.

Owns: which parts are installed and how Django is tuned. Does not own: operator choices (engines.layout reads them).
Nothing here reads the network or the database.
"""

from mainstay.config import keys
from mainstay.engines.layout import Layout

LAYOUT = Layout.from_environment()

SECRET_KEY = keys.web_secret(LAYOUT)
DEBUG = False
# Loopback only, which also defeats DNS rebinding; `up --lan` adds the names of its certificate.
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]", *LAYOUT.extra_hosts]

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "mainstay.core.access",  # before allauth, whose templates it replaces
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "django_cotton.apps.SimpleAppConfig",
    "template_partials.apps.SimpleAppConfig",
    "django_htmx",
    "procrastinate.contrib.django",
    "mainstay.core.ledger",
    "mainstay.core.jobs",
    "mainstay.ui",
    "mainstay.domains.estate",
    "mainstay.domains.telemetry",
    "mainstay.domains.alerting",
    "mainstay.domains.desk",
    "mainstay.domains.automation",
    "mainstay.domains.assurance",
    "mainstay.console",
    "mainstay.config.apps.WiringConfig",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "mainstay.core.access.transport.TransportMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.middleware.gzip.GZipMiddleware",
    "django.middleware.http.ConditionalGetMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "allauth.usersessions.middleware.UserSessionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "mainstay.core.access.middleware.ScopeMiddleware",
    "mainstay.ui.idempotency.IdempotencyMiddleware",
]

ROOT_URLCONF = "mainstay.config.urls"
ASGI_APPLICATION = "mainstay.config.asgi.application"
AUTH_USER_MODEL = "access.Person"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [],
        "OPTIONS": {
            "loaders": [
                (
                    "template_partials.loader.Loader",
                    [
                        (
                            "django.template.loaders.cached.Loader",
                            ["django_cotton.cotton_loader.Loader", "django.template.loaders.app_directories.Loader"],
                        )
                    ],
                )
            ],
            "builtins": ["django_cotton.templatetags.cotton", "template_partials.templatetags.partials", "django.templatetags.i18n"],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "mainstay.ui.context.shell",
            ],
        },
    }
]

DATABASES = {"default": LAYOUT.database("app")}

# Only sign-in uses it. In the database, because a code that was used at one listener is used up at the other one too.
CACHES = {"default": {"BACKEND": "mainstay.core.access.shared_cache.SharedCache"}}

# --- sign-in -----------------------------------------------------------------------------------------------------------
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 15}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ("login", "name", "mail")},
    },
    {"NAME": "mainstay.core.access.validators.ContextWordsValidator"},
]
LOGIN_URL = "/account/login/"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_ADAPTER = "mainstay.core.access.adapters.AccountAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = "login"
ACCOUNT_USER_MODEL_EMAIL_FIELD = "mail"
ACCOUNT_PRESERVE_USERNAME_CASING = False
# By name and not by mail: the first owner signs in before any mailbox exists.
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_SESSION_REMEMBER = False
MFA_ADAPTER = "mainstay.core.access.adapters.MFAAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_PASSKEY_SIGNUP_ENABLED = False
MFA_TOTP_ISSUER = "Mainstay"
# Plain HTTP is a secure context on loopback only; elsewhere the TLS listener serves.
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = False
USERSESSIONS_TRACK_ACTIVITY = False

# --- sessions, cookies ---------------------------------------------------------------------------------------------------
# Ports share cookies, so the names carry the instance: a demo and the real thing can run side by side. The listener behind
# TLS is a process of its own: its cookies never travel in the clear, and the prefix keeps other hosts and paths from setting them.
IS_TLS = LAYOUT.is_tls_listener
_PREFIX = "__Host-" if IS_TLS else ""
SESSION_COOKIE_NAME = f"{_PREFIX}mainstay_{LAYOUT.instance}"
CSRF_COOKIE_NAME = f"{_PREFIX}mainstay_csrf_{LAYOUT.instance}"
SESSION_COOKIE_SECURE = IS_TLS
CSRF_COOKIE_SECURE = IS_TLS
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 12 * 3600
CSRF_COOKIE_HTTPONLY = True
CSRF_USE_SESSIONS = False
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "form-action": ["'self'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
    }
}

# --- static files ----------------------------------------------------------------------------------------------------------
STATIC_URL = "/static/"
STATIC_ROOT = None  # files are served where they lie; nothing is collected
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False

# --- language and time -------------------------------------------------------------------------------------------------------
LANGUAGE_CODE = "en-gb"
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"

# --- jobs, limits, logs --------------------------------------------------------------------------------------------------
PROCRASTINATE_AUTODISCOVER_MODULE_NAME = "tasks"
DATA_UPLOAD_MAX_MEMORY_SIZE = 4 * 1024 * 1024
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {"django.request": {"level": "ERROR"}, "procrastinate": {"level": "WARNING"}, "httpx": {"level": "WARNING"}},
}
SILENCED_SYSTEM_CHECKS: list[str] = []
