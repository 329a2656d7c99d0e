"""Teams and people in the admin."""

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from kernel.admin import DefinitionAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from registry.models import Team, User

admin.site.unregister(Group)


@admin.register(Team)
class TeamAdmin(DefinitionAdmin):
    list_display = ("name", "description")
    search_fields = ("name",)


@admin.register(User)
class UserAdmin(DjangoUserAdmin, DefinitionAdmin):  # type: ignore[misc, type-arg]
    """People. Django's own flags follow from the role and aren't edited."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "first_name", "last_name", "email", "role", "is_active")
    list_filter = ("role", "is_active", "groups")
    # Django's two boxes are wider than the theme's form.
    filter_horizontal = ()
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        ("Person", {"fields": ("first_name", "last_name", "email")}),
        ("What they may do", {"fields": ("role", "groups", "is_active")}),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = (
        (None, {"fields": ("username", "role", "password1", "password2"), "classes": ("wide",)}),
    )
