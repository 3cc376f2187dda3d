"""
Starts MiniStack with five corrections towards AWS:

- Layers share one tree. MiniStack links the top level of each layer's node_modules beside the function: of two layers
  with files of one package it links the first only.
- `Ref` of a secret is its ARN. MiniStack gives its name, which no policy allows anything on.
- Alarms may compute what they watch. MiniStack refuses metric math; here such an alarm exists with its actions and
  description, over a metric that nobody sends. Whether it fires is shown by the tests of the templates.
- A function trusts the emulator. The list of authorities that a function's environment may name lies in AWS's runtime,
  where it holds the public ones; here there is no such file, and the endpoint's certificate is what has to be trusted.
- A batch of SQS is authorized like the single call. MiniStack asks for an action that IAM does not have.
"""

import os
import shutil

from ministack import app
from ministack.core import iam_actions, lambda_runtime
from ministack.services.cloudformation import provisioners


def files_below(root, folder):
    return [
        os.path.relpath(os.path.join(directory, name), root)
        for directory, _folders, names in os.walk(os.path.join(root, folder))
        for name in names
    ]


class LayeredFiles:
    """The module `os`, with files of a scope's packages listed one by one, and copied where they would be linked."""

    def __getattr__(self, name):
        return getattr(os, name)

    def listdir(self, path):
        names = os.listdir(path)
        if os.path.basename(path) != "node_modules":
            return names
        return [entry for name in names for entry in (files_below(path, name) if name.startswith("@") else [name])]

    def symlink(self, source, destination):
        if os.path.isdir(source):
            os.symlink(source, destination)
        else:
            os.makedirs(os.path.dirname(destination), exist_ok=True)
            shutil.copyfile(source, destination)


def secrets_by_arn(handlers):
    def name_of(arn):
        return arn.rpartition(":secret:")[2].rpartition("-")[0]

    def create(logical_id, properties, stack):
        _name, attributes = handlers["create"](logical_id, properties, stack)
        return attributes["Arn"], attributes

    def update(physical_id, old, new, stack, logical_id=None):
        name, *rest = handlers["update"](name_of(physical_id), old, new, stack, logical_id)
        if name != name_of(physical_id):
            raise ValueError("a secret would be replaced, which the corrected MiniStack cannot do")
        return physical_id, *rest

    def delete(physical_id, properties):
        return handlers["delete"](name_of(physical_id), properties)

    return {**handlers, "create": create, "update": update, "delete": delete}


def alarms_without_math(handlers):
    def plain(properties):
        if not (properties or {}).get("Metrics"):
            return properties
        kept = {name: value for name, value in properties.items() if name != "Metrics"}
        return {**kept, "Namespace": "MetricMath", "MetricName": "NeverSent", "TreatMissingData": "missing"}

    def create(logical_id, properties, stack):
        return handlers["create"](logical_id, plain(properties), stack)

    def update(physical_id, old, new, *rest):
        return handlers["update"](physical_id, plain(old), plain(new), *rest)

    return {**handlers, "create": create, "update": update}


batches = {f"{action}Batch": action for action in ("SendMessage", "DeleteMessage", "ChangeMessageVisibility")}
action_of_request = iam_actions._action_from_target


def single_action(headers):
    action = action_of_request(headers)
    return batches.get(action, action)


iam_actions._action_from_target = single_action
lambda_runtime.os = LayeredFiles()
lambda_runtime._RESERVED_RUNTIME_ENV_VARS = {*lambda_runtime._RESERVED_RUNTIME_ENV_VARS, "NODE_EXTRA_CA_CERTS"}
corrections = {"AWS::SecretsManager::Secret": secrets_by_arn, "AWS::CloudWatch::Alarm": alarms_without_math}
for resource_type, corrected in corrections.items():
    provisioners._RESOURCE_HANDLERS[resource_type] = corrected(provisioners._RESOURCE_HANDLERS[resource_type])
app.main()
