"""People and the teams that own things."""

from functools import cached_property
from typing import Any, ClassVar
from uuid import UUID

from django.contrib.auth.models import AbstractUser, Group, UserManager
from django.db import models
from django.db.models import Q
from guardian.mixins import GuardianUserMixin
from kernel import actor, ids
from kernel.actor import Actor
from kernel.history import History
from kernel.visibility import VisibleQuerySet


class Role(models.TextChoices):
    PLATFORM = actor.PLATFORM, "Platform team"
    REVIEWER = actor.REVIEWER, "Reviewer"
    AUDITOR = actor.AUDITOR, "Auditor"
    MEMBER = actor.MEMBER, "Team member"


class UserQuerySet(VisibleQuerySet):
    pass


class Users(UserManager.from_queryset(UserQuerySet)):  # type: ignore[misc]
    """`create_user` and `create_superuser`, on a queryset that knows who sees whom."""

    def create_superuser(self, *args: Any, **fields: Any) -> Any:
        return super().create_superuser(*args, **({"role": Role.PLATFORM} | fields))


class User(GuardianUserMixin, AbstractUser):
    """A person. The role is platform-wide; what belongs to teams comes by membership."""

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    role = models.CharField(max_length=20, choices=Role, default=Role.MEMBER)
    history = History(excluded_fields=["password", "last_login"])

    objects = Users()  # type: ignore[misc]

    def save(self, *args: Any, **kwargs: Any) -> None:
        """The role decides what Django's own flags say, so that the two can't disagree."""
        self.is_superuser = self.role == Role.PLATFORM
        self.is_staff = True
        super().save(*args, **kwargs)

    @cached_property
    def actor(self) -> Actor:
        """This person as an actor; cached for the life of the instance, which is one request."""
        return Actor(
            kind="user",
            id=self.id,
            name=self.username,
            teams=frozenset(Team.objects.filter(group__user=self).values_list("id", flat=True)),
            roles=frozenset({self.role}) if self.is_active else frozenset(),
        )

    @staticmethod
    def visibility(viewer: Actor, action: str) -> Q:
        """People see themselves and their team mates."""
        if action != "view":
            return Q(pk=viewer.id)
        return Q(pk=viewer.id) | Q(groups__team__in=viewer.teams)


class Team(models.Model):
    """A group of people that owns agents, tools, projects and budgets.

    Its members are the members of its Group, which also carries the object permissions.
    """

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    name = models.SlugField(max_length=60, unique=True)
    description = models.TextField(blank=True)
    group = models.OneToOneField(Group, on_delete=models.PROTECT, editable=False)
    history = History()

    objects = models.Manager.from_queryset(VisibleQuerySet)()

    class Meta:
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        """A team and its group are made together and bear the same name."""
        group_name = f"team:{self.name}"
        if self.group_id is None:
            self.group, _ = Group.objects.get_or_create(name=group_name)
        elif self.group.name != group_name:
            self.group.name = group_name
            self.group.save()
        super().save(*args, **kwargs)

    @staticmethod
    def visibility(viewer: Actor, action: str) -> Q:
        return Q(pk__in=viewer.teams) if action == "view" else Q(pk__in=[])

    def members(self) -> models.QuerySet[User]:
        return User.objects.filter(groups=self.group_id)  # type: ignore[no-any-return]

    def add(self, user: User) -> None:
        user.groups.add(self.group)
        user.__dict__.pop("actor", None)


def team_ids_of(user_id: UUID) -> frozenset[UUID]:
    """The teams that a person belongs to."""
    return frozenset(Team.objects.filter(group__user=user_id).values_list("id", flat=True))
