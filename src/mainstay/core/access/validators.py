"""Password rules beyond length: nothing common, nothing that this place suggests.

Source: security page, section 2 rule 13 (at least 15 characters, no composition rules, offline lists); NIST SP 800-63B 5.1.1.2.
"""

from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ValidationError

from mainstay.core.access.models import Person

_WORDS = frozenset({"mainstay", "password", "passwort", "kennwort", "qwertyuiop", "letmein", "welcome", "administrator", "123456789"})
_REST_MIN = 8
LENGTH_MAX = 1024


class ContextWordsValidator:
    """Refuse a password that is little more than a word everybody here would try first."""

    def validate(self, password: str, user: AbstractBaseUser | None = None) -> None:
        """Errors: ValidationError when fewer than eight characters remain without such words, or above 1,024 characters."""
        if len(password) > LENGTH_MAX:
            raise ValidationError("A password has at most 1,024 characters.", code="password_too_long")
        rest = password.casefold()
        for word in sorted(_WORDS | _words_of(user), key=len, reverse=True):
            rest = rest.replace(word, "")
        if len(set(rest)) < _REST_MIN // 2 or len(rest) < _REST_MIN:
            raise ValidationError("This password is mostly a word that others would guess here.", code="password_context")

    def get_help_text(self) -> str:
        return "At least 15 characters; a sentence is fine. Not the name of the product, the organisation, or your own."


def _words_of(user: AbstractBaseUser | None) -> frozenset[str]:
    if not isinstance(user, Person):
        return frozenset()
    texts = (user.name, user.login, user.mail.partition("@")[0], user.home.name, user.home.slug)
    return frozenset(word for text in texts for word in text.casefold().split() if len(word) >= 4)
