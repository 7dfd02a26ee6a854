#!/usr/bin/env python3
"""Writes types.txt from the OpenAPI document of a Kubernetes release and from the tags of its Go types:

  derive.py MODULES/k8s.io VERSION > types.txt      derive.py "$(go env GOMODCACHE)/k8s.io" 36.3 > types.txt

The modules are k8s.io/kubernetes v1.VERSION, which has the document, and k8s.io/{api,apimachinery,apiextensions-apiserver}
v0.VERSION, whose tags have the numbers of protobuf.

One line a type: its name, a colon, its fields. A field is NAME=TYPE with these marks behind it:
  @3           its number in protobuf; @2.4 when it is the fourth of the second, which JSON does not show
  *            a pointer in Go: nothing and zero are two things
  ^            written by Go, nothing as it may be: a struct that is no pointer, or what has no omitempty
  !            required
  %            a map or an object that is owned as a whole (x-kubernetes-map-type: atomic)
  /set         a list that is a set            /map:a,b   a list keyed by these fields
  ~merge:key   strategic merge by this key     ~merge     of primitives       ~keys  retainKeys beside it
Types: s string, i int32, l int64, n number, b boolean, q quantity, x integer or string, t time, u time with microseconds,
y bytes, o anything; [T] a list, {T} a map, else the name of a type.
"""
import glob
import json
import re
import sys

ROOTS = """
io.k8s.api.core.v1: Pod Node Namespace Event ConfigMap Secret Service Endpoints ServiceAccount PersistentVolume PersistentVolumeClaim
  ReplicationController ResourceQuota LimitRange Binding
io.k8s.api.apps.v1: Deployment ReplicaSet StatefulSet DaemonSet ControllerRevision
io.k8s.api.batch.v1: Job CronJob
io.k8s.api.autoscaling.v1: HorizontalPodAutoscaler Scale
io.k8s.api.autoscaling.v2: HorizontalPodAutoscaler
io.k8s.api.policy.v1: PodDisruptionBudget Eviction
io.k8s.api.events.v1: Event
io.k8s.api.coordination.v1: Lease
io.k8s.api.rbac.v1: ClusterRole ClusterRoleBinding Role RoleBinding
io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1: CustomResourceDefinition
io.k8s.api.storage.v1: StorageClass
io.k8s.api.scheduling.v1: PriorityClass
io.k8s.api.discovery.v1: EndpointSlice
io.k8s.api.authorization.v1: SubjectAccessReview LocalSubjectAccessReview SelfSubjectAccessReview SelfSubjectRulesReview
io.k8s.api.authentication.v1: SelfSubjectReview
io.k8s.apimachinery.pkg.apis.meta.v1: DeleteOptions ObjectMeta
"""
SPECIAL = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": "q",
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": "x",
    "io.k8s.apimachinery.pkg.apis.meta.v1.Time": "t",
    "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime": "u",
    "io.k8s.apimachinery.pkg.runtime.RawExtension": "o",
    "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1": "o",
}
PACKAGES = {
    "io.k8s.api.": "api@v0.{}/",
    "io.k8s.apimachinery.": "apimachinery@v0.{}/",
    "io.k8s.apiextensions-apiserver.": "apiextensions-apiserver@v0.{}/",
}
FIELD = re.compile(r"^\t(?:\w+\s+)?(\S+)\s+`json:\"([^\",]*)((?:,\w+)*)")
NUMBER = re.compile(r"protobuf:\"\w+,(\d+),")
JSON = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1."
PRIMITIVES = {"string": "s", "integer": "i", "number": "n", "boolean": "b", "object": "o"}


def short(name):
    parts = name.split(".")
    if "apimachinery" in name:
        return parts[-1]
    return ".".join([parts[-3], parts[-2], parts[-1]]).replace("core.v1.", "").replace("apiextensions.v1.", "")


def go_types(package):
    """The fields of the Go types of a package: {type: [(JSON name, Go type, options of the tag, number)]}."""
    prefix = next(prefix for prefix in PACKAGES if package.startswith(prefix))
    folder = f"{sys.argv[1]}/{PACKAGES[prefix].format(sys.argv[2])}{package[len(prefix):].replace('.', '/')}"
    types, current = {}, None
    for path in sorted(glob.glob(f"{folder}/*.go")):
        if path.endswith("_test.go") or "generated" in path:
            continue
        for line in open(path):
            if begins := re.match(r"type (\w+) struct {", line):
                current = types.setdefault(begins[1], [])
            elif line.startswith("}"):
                current = None
            elif current is not None and (found := FIELD.match(line)):
                number = NUMBER.search(line)
                current.append((found[2], found[1], found[3], number and number[1]))
    return types


def tags(types, name):
    """What a field is in Go and protobuf, by its name in JSON: {name: (Go type, options, number)}; of what is inlined too."""
    found = {}
    for field, go, options, number in types.get(name, []):
        if "inline" not in options:
            found[field] = (go, options, number)
        elif number:
            for inner, (go, options, deeper) in tags(types, go.lstrip("*")).items():
                found[inner] = (go, options, f"{number}.{deeper}")
    return found


def written(go, options, kind):
    """Whether Go writes a field, nothing as it may be."""
    if not go or "omitzero" in options:
        return False
    struct = go == "runtime.RawExtension" or kind in "qxtu" or kind not in "silnbyo" and kind[0] not in "[{"
    return "omitempty" not in options or struct and not go.startswith("*")


def main():
    document = f"{sys.argv[1]}/kubernetes@v1.{sys.argv[2]}/api/openapi-spec/swagger.json"
    definitions = json.load(open(document))["definitions"]
    packages = {}
    wanted, done = [], {}
    for line in ROOTS.replace("\n  ", " ").strip().splitlines():
        package, kinds = line.split(": ")
        wanted += [f"{package}.{kind}" for kind in kinds.split()]

    def kind(schema):
        if "$ref" in schema:
            name = schema["$ref"].split("/")[-1]
            if name in SPECIAL:
                return SPECIAL[name]
            definition = definitions[name]
            if name.startswith(JSON) and "properties" not in definition:
                return "o"
            if "properties" not in definition and definition.get("type") != "object":
                return kind(definition)
            if name not in done:
                wanted.append(name)
            return short(name)
        if schema.get("type") == "array":
            return "[" + kind(schema["items"]) + "]"
        if "additionalProperties" in schema:
            return "{" + kind(schema["additionalProperties"]) + "}"
        if schema.get("format") == "int64":
            return "l"
        if schema.get("format") == "byte":
            return "y"
        if schema.get("format") == "int-or-string":
            return "x"
        return PRIMITIVES.get(schema.get("type"), "o")

    while wanted:
        name = wanted.pop(0)
        if name in done:
            continue
        definition = definitions[name]
        done[name] = ""
        package, go_name = name.rsplit(".", 1)
        if package not in packages:
            packages[package] = go_types(package)
        tagged = tags(packages[package], go_name)
        fields = []
        for field, schema in sorted(definition.get("properties", {}).items()):
            text = f"{field}={kind(schema)}"
            go, options, number = tagged.get(field, ("", "", None))
            if number and not package.startswith("io.k8s.apiextensions-apiserver."):
                text += f"@{number}"
            always = written(go, options, kind(schema))
            if go.startswith("*") and (always or kind(schema) in "silnb"):
                text += "*"
            if always:
                text += "^"
            if field in definition.get("required", []):
                text += "!"
            atomic = schema.get("x-kubernetes-map-type") == "atomic"
            if "$ref" in schema:
                atomic = atomic or definitions[schema["$ref"].split("/")[-1]].get("x-kubernetes-map-type") == "atomic"
            text += "%" if atomic else ""
            listed = schema.get("x-kubernetes-list-type")
            if listed == "set":
                text += "/set"
            elif listed == "map":
                text += "/map:" + ",".join(schema["x-kubernetes-list-map-keys"])
            strategy = schema.get("x-kubernetes-patch-strategy", "")
            if "merge" in strategy:
                key = schema.get("x-kubernetes-patch-merge-key")
                text += "~merge" + (f":{key}" if key else "")
            if "retainKeys" in strategy:
                text += "~keys"
            fields.append(text)
        atomic = "%" if definition.get("x-kubernetes-map-type") == "atomic" else ""
        done[name] = f"{short(name)}{atomic}: " + " ".join(fields)
    print(f"# Derived by derive.py from the OpenAPI document and the Go types of Kubernetes 1.{sys.argv[2]} (Apache-2.0).")
    for line in sorted(done.values()):
        print(line)


main()
