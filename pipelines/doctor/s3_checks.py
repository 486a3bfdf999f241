"""The object store, by one object's round trip; and what each way of failing means."""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from pipelines.doctor.finding import Finding, failed, ok, skipped, warning
from pipelines.doctor.in_pod import s3_roundtrip
from pipelines.doctor.scope import Scope

SKEW_WARNING_SECONDS = 60.0
"""S3 refuses at 15 minutes."""
VERBS = {"write": "s3:PutObject", "read": "s3:GetObject", "list": "s3:ListBucket", "delete": "s3:DeleteObject"}


def check_store_from_here(scope: Scope) -> list[Finding]:
    """This machine could read reports from the object store, where it reaches it."""
    settings = scope.config_map()
    endpoint = settings.get("TOUCHSTONE_S3_ENDPOINT", "")
    host = urlsplit(endpoint).hostname or ""
    if host.endswith((".svc", ".cluster.local")):
        service, _, rest = host.partition(".")
        namespace = rest.partition(".")[0]
        forward = f"kubectl -n {namespace} port-forward svc/{service} {urlsplit(endpoint).port or 80}"
        return [skipped(f"only pods reach {host}", remedy=forward)]
    secret = scope.api.get(scope.in_namespace("secrets", scope.options.profile.secret))
    keys = {key: base64.b64decode(value).decode() for key, value in (secret.get("data") or {}).items()}
    told = s3_roundtrip.from_settings({**settings, **keys})
    if told.get("code") in ("Name", "NoAnswer") and (told["code"] == "Name" or is_private(host)):
        return [skipped(f"this machine does not reach {endpoint}; pods may")]
    return [judge_roundtrip(told, scope, settings, "from here")]


def is_private(host: str) -> bool:
    """Whether a host is a private address, which another network need not reach."""
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return False


def judge_roundtrip(told: Mapping[str, Any], scope: Scope, settings: Mapping[str, str], where: str) -> Finding:
    """What a round trip's answer means, and what to type.

    Args:
        told: What `s3_roundtrip.roundtrip` gave.
        scope: For names in the commands.
        settings: The ConfigMap's.
        where: Where it was tried.
    """
    endpoint = settings.get("TOUCHSTONE_S3_ENDPOINT") or "Amazon S3"
    bucket = urlsplit(settings.get("TOUCHSTONE_STORE", "")).netloc
    skew = float(told.get("skew", 0.0))
    if told.get("ok"):
        if abs(skew) > SKEW_WARNING_SECONDS:
            return warning(
                f"clocks differ by {skew:+.0f} s ({where})",
                expected="less than a minute; at 15 minutes the store refuses every request",
                remedy="timedatectl set-ntp true, on whichever machine is wrong",
            )
        return ok(f"wrote, read, listed and deleted an object at {endpoint} in {told['seconds']:.2f} s {where}")
    code, detail = str(told["code"]), str(told["detail"])
    found, expected, remedy = _meaning(code, told, scope, endpoint, bucket, skew)
    answer = f"{code or told['status']}: {detail}"
    left = f"; {told['left']} stays in the bucket" if told.get("left") else ""
    return failed(f"{found} ({where}: {answer[:240]}){left}", expected=expected, remedy=remedy)


def _meaning(
    code: str, told: Mapping[str, Any], scope: Scope, endpoint: str, bucket: str, skew: float
) -> tuple[str, str, str]:
    namespace, options = scope.namespace, scope.options
    show = f"kubectl -n {namespace} get configmap {options.profile.config_map} -o yaml"
    if code in ("InvalidAccessKeyId", "SignatureDoesNotMatch"):
        which = "access key" if code == "InvalidAccessKeyId" else "secret key"
        replace = (
            f"kubectl -n {namespace} create secret generic {options.profile.secret} "
            "--from-literal=AWS_ACCESS_KEY_ID=... --from-literal=AWS_SECRET_ACCESS_KEY=... "
            "--dry-run=client -o yaml | kubectl apply -f -"
        )
        return f"{endpoint} does not accept the {which}", f"the credentials of {endpoint}", replace
    if code == "NoSuchBucket":
        address = "" if endpoint == "Amazon S3" else f" --endpoint-url {endpoint}"
        make = f"{scope.install_command()} (makes it in the chart's own store); any other: aws{address} s3 mb s3://{bucket}"
        return f"{endpoint} has no bucket {bucket}", "the bucket of TOUCHSTONE_STORE", make
    if code == "RequestTimeTooSkewed":
        return (
            f"clocks differ by {skew:+.0f} s",
            "less than 15 minutes between this clock and the store's",
            "timedatectl set-ntp true, on whichever machine is wrong",
        )
    if code == "AccessDenied":
        action = VERBS[str(told["stage"])]
        return (
            f"the credentials may not {told['stage']} in {bucket}",
            f"{', '.join(VERBS.values())} on the bucket and its objects",
            f"allow {action} in the policy of the user whose access key is in Secret {options.profile.secret}",
        )
    if code in ("AuthorizationHeaderMalformed", "PermanentRedirect", "TemporaryRedirect") or told["status"] in (
        301,
        307,
    ):
        region = told.get("region") or "REGION"
        patch = f'{{"data":{{"TOUCHSTONE_S3_REGION":"{region}"}}}}'
        return (
            f"{bucket} lives in another region ({region})",
            "TOUCHSTONE_S3_REGION is the bucket's region",
            f"kubectl -n {namespace} patch configmap {options.profile.config_map} -p '{patch}', or the chart's value",
        )
    return _of_transport(code, told, endpoint, show, f"kubectl -n {namespace} get pods,svc")


def _of_transport(code: str, told: Mapping[str, Any], endpoint: str, show: str, list_pods: str) -> tuple[str, str, str]:
    if code == "Certificate":
        expected = "a certificate that the images trust, or http:// where the store speaks plain HTTP"
        return f"no TLS connection to {endpoint}", expected, f"{show}; correct TOUCHSTONE_S3_ENDPOINT"
    if code == "Name":
        expected = "a name that pods can resolve, such as http://touchstone-minio.NAMESPACE.svc:9000"
        return f"{endpoint} has no address", expected, f"{show}; {list_pods}"
    if code == "NoAnswer":
        return f"no S3 server answers at {endpoint}", "a running store", f"{list_pods}; {show}"
    if not code:
        expected = "an S3 API; a console or a proxy listens on another port"
        return f"what answers at {endpoint} is no S3 server", expected, f"{show}; correct TOUCHSTONE_S3_ENDPOINT"
    expected = f"{told['stage']} works"
    return f"{endpoint} fails to {told['stage']}", expected, f"{list_pods}; free space and the store's own log"
