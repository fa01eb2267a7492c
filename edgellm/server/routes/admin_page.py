"""GET /admin: what the server does, as a page for people without a terminal; read-only."""

from __future__ import annotations

import asyncio
import time
from datetime import date, timedelta

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

from edgellm.sdk.facade import EdgeLLM
from edgellm.sdk.live import LiveFigures
from edgellm.server.admin_html import POLICY, AdminView, page
from edgellm.server.answering import service_of
from edgellm.server.budget import start_of_day
from edgellm.server.routes.admin import live_figures

router = APIRouter(tags=["Server"])
REFRESH_S = 5
DAYS, ENTRIES = 14, 20


@router.get("/admin", response_class=HTMLResponse)
async def admin_page(request: Request, check: bool = False) -> HTMLResponse:
    """Requests, engines, keys with their budgets, use and the audit log; `check` walks the log's chain."""
    figures = await live_figures(request)
    view = await asyncio.to_thread(_read, service_of(request).edge, figures, is_checked=check)
    headers = {"content-security-policy": POLICY, "referrer-policy": "no-referrer"}
    if not check:
        headers["refresh"] = str(REFRESH_S)
    return HTMLResponse(page(view), headers=headers)


def _read(edge: EdgeLLM, figures: LiveFigures, *, is_checked: bool) -> AdminView:
    """Raises: StoreError."""
    now = time.time()
    first_day = date.fromtimestamp(now) - timedelta(days=DAYS - 1)
    since = time.mktime(first_day.timetuple())
    return AdminView(
        now=now,
        figures=figures,
        keys=edge.keys.list(),
        spent_today={total.key: total.tokens for total in edge.usage.totals(by="tenant", since=start_of_day(now))},
        days=edge.usage.totals(by="day", since=since),
        entries=edge.audit.list(ENTRIES),
        check=edge.audit.verify() if is_checked else None,
    )
