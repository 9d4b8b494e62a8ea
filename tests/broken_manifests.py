"""Manifests that are wrong, each in one way, and the error for it: its line, its key and what to do."""

from __future__ import annotations

BROKEN: dict[str, tuple[str, str]] = {
    "string without quotes": (
        "namespace = app\n",
        (
            "everproc.toml:1: namespace: this is not TOML: expected a value: a string in quotes, such as "
            '"text", a number, true, false, a list or a table'
        ),
    ),
    "no value": (
        ("[node]\nname =\n"),
        (
            'everproc.toml:2: name: this is not TOML: expected a value: a string in quotes, such as "text", '
            "a number, true, false, a list or a table"
        ),
    ),
    "no equals sign": (
        ('[node]\nname "shop"\n'),
        'everproc.toml:2: name "shop": this is not TOML: expected key = value',
    ),
    "header without end": (
        ('[entries.web\nkind = "service"\n'),
        "everproc.toml:1: entries.web: this is not TOML: a header of a table ends with ]",
    ),
    "string without end": (
        ('[node]\nname = "shop\n'),
        (
            'everproc.toml:2: name: this is not TOML: close the string with " on its own line, or write it '
            "between triple quotes"
        ),
    ),
    "list without end": (
        ('imports = ["shop"\n\n[node]\n'),
        "everproc.toml:3: node: this is not TOML: close the list with ]",
    ),
    "key twice": (
        ('[node]\nname = "a"\nname = "b"\n'),
        "everproc.toml:3: name: this is not TOML: the key is there twice: remove one of them",
    ),
    "entry twice": (
        (
            "[entries.worker]\n"
            'kind = "temporal.worker"\n'
            'task_queue = "orders"\n'
            "\n"
            "[entries.worker]\n"
            'kind = "temporal.worker"\n'
            'task_queue = "orders"\n'
        ),
        (
            "everproc.toml:5: entries.worker: this is not TOML: the table is there twice: give each entry a "
            "name of its own"
        ),
    ),
    "two statements on a line": (
        'namespace = "a" imports = []\n',
        "everproc.toml:1: namespace: this is not TOML: write one key = value a line",
    ),
    "unknown top-level key": (
        ('[entry.worker]\nkind = "temporal.worker"\n'),
        "everproc.toml:1: entry is not a key of a manifest: did you mean 'entries'?",
    ),
    "array of entries": (
        ('[[entries]]\nname = "worker"\n'),
        "everproc.toml:1: entries is not valid: expected tables, [entries.NAME], one for each entry",
    ),
    "namespace of no name": (
        'namespace = "my app"\n',
        (
            "everproc.toml:1: namespace='my app' is not valid: expected letters, digits, '_', '.' and '-', "
            "a letter first"
        ),
    ),
    "namespace of no string": (
        "namespace = 7\n",
        "everproc.toml:1: namespace=7 is not valid: expected a non-empty string",
    ),
    "imports of no list": (
        'imports = "shop.orders"\n',
        (
            "everproc.toml:1: imports='shop.orders' is not valid: expected a list of strings, such as "
            '["shop.orders"]'
        ),
    ),
    "unknown module to import": (
        'imports = ["tests.manifest_shopp"]\n',
        (
            "everproc.toml:1: imports: there is no module 'tests.manifest_shopp'; did you mean "
            "'tests.manifest_shop'?"
        ),
    ),
    "unknown key of the node": (
        ('[node]\nshutdown = "5s"\n'),
        "everproc.toml:2: node.shutdown is not a key of [node]: did you mean 'shutdown_timeout'?",
    ),
    "node name of no PID": (
        ('[node]\nname = "a@b"\n'),
        ("everproc.toml:2: node.name='a@b' is not valid: expected a non-empty string without any of @ | { }"),
    ),
    "bare shutdown time": (
        ("[node]\nshutdown_timeout = 5\n"),
        (
            'everproc.toml:2: node.shutdown_timeout=5 is not valid: expected a duration such as "250ms", '
            '"5s", "1h30m"; for 5 seconds write "5s"'
        ),
    ),
    "entry of no table": (
        ('[entries]\nworker = "orders"\n'),
        (
            "everproc.toml:2: entries.worker='orders' is not valid: expected a table, [entries.worker] with "
            "kind = ..."
        ),
    ),
    "entry of no name": (
        ('[entries."my worker"]\nkind = "temporal.worker"\n'),
        (
            'everproc.toml:1: entries.my worker is no name: expected letters, digits, "_", "." and "-", or '
            '[entries."app:name"]'
        ),
    ),
    "two entries of one id": (
        (
            "[entries.worker]\n"
            'kind = "temporal.worker"\n'
            'task_queue = "orders"\n'
            "\n"
            '[entries."app:worker"]\n'
            'kind = "temporal.worker"\n'
            'task_queue = "others"\n'
        ),
        "everproc.toml:5: entries.app:worker is 'app:worker', as entries.worker of line 1 is: rename one",
    ),
    "entry without a kind": (
        ('[entries.worker]\ntask_queue = "orders"\n'),
        (
            'everproc.toml:1: entries.worker has no kind: add kind = "...", one of: process, function, '
            "temporal.client, temporal.worker, workflow, activity, service"
        ),
    ),
    "unknown kind": (
        ('[entries.worker]\nkind = "temporal-worker"\n'),
        (
            "everproc.toml:2: entries.worker.kind='temporal-worker' is not known: did you mean "
            "'temporal.worker'?"
        ),
    ),
    "kind of the seeds": (
        ('[entries.order]\nkind = "workflow.lua"\n'),
        "everproc.toml:2: entries.order.kind='workflow.lua' is not known: did you mean 'workflow'?",
    ),
    "kind of no string": (
        ('[entries.order]\nkind = ["workflow"]\n'),
        "everproc.toml:2: entries.order.kind=['workflow'] is not known: did you mean 'workflow'?",
    ),
    "worker without a task queue": (
        ('[entries.worker]\nkind = "temporal.worker"\n'),
        (
            'everproc.toml:1: entries.worker has no task_queue: kind "temporal.worker" needs it; add '
            "task_queue = ..."
        ),
    ),
    "misspelt worker option": (
        ('[entries.worker]\nkind = "temporal.worker"\ntask_queue = "orders"\nmax_cached_workflow = 10\n'),
        (
            'everproc.toml:4: entries.worker.max_cached_workflow is not a key of kind "temporal.worker": '
            "did you mean 'max_cached_workflows'?"
        ),
    ),
    "count of no number": (
        (
            "[entries.worker]\n"
            'kind = "temporal.worker"\n'
            'task_queue = "orders"\n'
            'max_concurrent_activities = "100"\n'
        ),
        (
            "everproc.toml:4: entries.worker.max_concurrent_activities='100' is not valid: expected a whole "
            "number of 1 or more"
        ),
    ),
    "count too small": (
        (
            "[entries.worker]\n"
            'kind = "temporal.worker"\n'
            'task_queue = "orders"\n'
            "max_concurrent_workflow_tasks = 1\n"
        ),
        (
            "everproc.toml:4: entries.worker.max_concurrent_workflow_tasks=1 is not valid: expected a whole "
            "number of 2 or more"
        ),
    ),
    "share too large": (
        (
            "[entries.worker]\n"
            'kind = "temporal.worker"\n'
            'task_queue = "orders"\n'
            "nonsticky_to_sticky_poll_ratio = 2.5\n"
        ),
        (
            "everproc.toml:4: entries.worker.nonsticky_to_sticky_poll_ratio=2.5 is not valid: expected a "
            "number above 0 and up to 1"
        ),
    ),
    "flag of no flag": (
        ('[entries.worker]\nkind = "temporal.worker"\ntask_queue = "orders"\nsandbox = "on"\n'),
        "everproc.toml:4: entries.worker.sandbox='on' is not valid: expected true or false",
    ),
    "bare time-out": (
        (
            "[entries.worker]\n"
            'kind = "temporal.worker"\n'
            'task_queue = "orders"\n'
            "graceful_shutdown_timeout = 10\n"
        ),
        (
            "everproc.toml:4: entries.worker.graceful_shutdown_timeout=10 is not valid: expected a duration "
            'such as "250ms", "5s", "1h30m"; for 10 seconds write "10s"'
        ),
    ),
    "poller range upside down": (
        (
            "[entries.worker]\n"
            'kind = "temporal.worker"\n'
            'task_queue = "orders"\n'
            "\n"
            "[entries.worker.workflow_task_pollers]\n"
            "minimum = 9\n"
            "maximum = 3\n"
        ),
        (
            "everproc.toml:5: entries.worker.workflow_task_pollers={'minimum': 9, 'maximum': 3} is not "
            "valid: expected minimum, initial and maximum in this order of size"
        ),
    ),
    "versioning without a build": (
        (
            "[entries.worker]\n"
            'kind = "temporal.worker"\n'
            'task_queue = "orders"\n'
            'versioning = { deployment_name = "orders" }\n'
        ),
        (
            "everproc.toml:4: entries.worker.versioning={'deployment_name': 'orders'} is not valid: "
            'expected a table such as { deployment_name = "orders", build_id = "1.4", behavior = "pinned" '
            "}, with deployment_name, build_id, behavior"
        ),
    ),
    "unknown versioning behavior": (
        (
            "[entries.worker]\n"
            'kind = "temporal.worker"\n'
            'task_queue = "orders"\n'
            "\n"
            "[entries.worker.versioning]\n"
            'deployment_name = "orders"\n'
            'build_id = "1"\n'
            'behavior = "auto"\n'
        ),
        (
            "everproc.toml:8: entries.worker.versioning.behavior='auto' is not valid: expected \"pinned\" or "
            '"auto_upgrade"'
        ),
    ),
    "tuner next to numbers": (
        (
            "[entries.worker]\n"
            'kind = "temporal.worker"\n'
            'task_queue = "orders"\n'
            "tuner = { target_memory_usage = 0.8, target_cpu_usage = 0.9 }\n"
            "max_concurrent_workflow_tasks = 9\n"
        ),
        (
            "everproc.toml:5: entries.worker.max_concurrent_workflow_tasks: tuner and "
            "max_concurrent_workflow_tasks=9 exclude each other: the tuner decides how much runs at once; "
            "leave one out"
        ),
    ),
    "unknown client of a worker": (
        (
            "[entries.temporal]\n"
            'kind = "temporal.client"\n'
            "\n"
            "[entries.worker]\n"
            'kind = "temporal.worker"\n'
            'task_queue = "orders"\n'
            'client = "temporl"\n'
        ),
        (
            "everproc.toml:7: entries.worker.client='temporl' is no entry of kind temporal.client: did you "
            "mean 'app:temporal'?"
        ),
    ),
    "address with a scheme": (
        ('[entries.temporal]\nkind = "temporal.client"\naddress = "https://localhost:7233"\n'),
        (
            "everproc.toml:3: entries.temporal.address='https://localhost:7233' is not valid: expected "
            'host:port, such as "localhost:7233"; leave it out for the embedded server; write it without '
            "https://"
        ),
    ),
    "unknown key of the client": (
        ('[entries.temporal]\nkind = "temporal.client"\nadress = "localhost:7233"\n'),
        (
            'everproc.toml:3: entries.temporal.adress is not a key of kind "temporal.client": did you mean '
            "'address'?"
        ),
    ),
    "unknown converter": (
        ('[entries.temporal]\nkind = "temporal.client"\nconverter = "pickle"\n'),
        'everproc.toml:3: entries.temporal.converter=\'pickle\' is not valid: expected "msgpack" or "json"',
    ),
    "tls of no table": (
        ('[entries.temporal]\nkind = "temporal.client"\ntls = "yes"\n'),
        "everproc.toml:3: entries.temporal.tls='yes' is not valid: expected true or false",
    ),
    "misspelt certificate": (
        (
            "[entries.temporal]\n"
            'kind = "temporal.client"\n'
            "\n"
            "[entries.temporal.tls]\n"
            'server_root_ca = "ca.pem"\n'
            'client_key_file = "k"\n'
        ),
        (
            "everproc.toml:6: entries.temporal.tls.client_key_file is not a key of entries.temporal.tls: "
            "did you mean 'client_key'?"
        ),
    ),
    "certificate without a key": (
        (
            "[entries.temporal]\n"
            'kind = "temporal.client"\n'
            "\n"
            "[entries.temporal.tls]\n"
            'client_cert = "manifest.pem"\n'
        ),
        (
            "everproc.toml:4: entries.temporal.tls.client_key: tls.client_cert was given without "
            "tls.client_key: mutual TLS needs both, server-side TLS neither"
        ),
    ),
    "certificate that is not there": (
        (
            "[entries.temporal]\n"
            'kind = "temporal.client"\n'
            "\n"
            "[entries.temporal.tls]\n"
            'server_root_ca = "ca.pem"\n'
        ),
        (
            "everproc.toml:5: entries.temporal.tls.server_root_ca: tls.server_root_ca='DIR/ca.pem' is not "
            "valid: expected the path of a PEM file, or its text as bytes; there is no such file"
        ),
    ),
    "variable that is not set": (
        ('[entries.temporal]\nkind = "temporal.client"\napi_key = "${env:EVERPROC_TEST_KEY}"\n'),
        (
            "everproc.toml:3: entries.temporal.api_key needs the environment variable EVERPROC_TEST_KEY, "
            "which is not set: set it, or correct the name"
        ),
    ),
    "file that is not there": (
        ('[entries.temporal]\nkind = "temporal.client"\napi_key = "${file:secrets/key}"\n'),
        (
            "everproc.toml:3: entries.temporal.api_key needs the file 'secrets/key', which cannot be read: "
            "No such file or directory; it is looked for in DIR"
        ),
    ),
    "reference of no form": (
        ('[entries.temporal]\nkind = "temporal.client"\napi_key = "${EVERPROC_TEST_KEY}"\n'),
        (
            "everproc.toml:3: entries.temporal.api_key has '${EVERPROC_TEST_KEY}': expected \"${env:NAME}\" "
            'or "${file:path}", or $$ for a $'
        ),
    ),
    "secret that is not valid": (
        ('[entries.temporal]\nkind = "temporal.client"\napi_key = "${env:EVERPROC_TEST_EMPTY}"\n'),
        (
            "everproc.toml:3: entries.temporal.api_key='${env:EVERPROC_TEST_EMPTY}' is not valid: expected, "
            "once it is filled in, a non-empty string"
        ),
    ),
    "two clients": (
        (
            "[entries.temporal]\n"
            'kind = "temporal.client"\n'
            "\n"
            "[entries.cloud]\n"
            'kind = "temporal.client"\n'
            'address = "eu.example.com:7233"\n'
        ),
        (
            "everproc.toml:4: entries.cloud is a second temporal.client, next to entries.temporal of line "
            "1: a node has one; remove one, or give each node a manifest of its own"
        ),
    ),
    "workflow without a source": (
        (
            "[entries.worker]\n"
            'kind = "temporal.worker"\n'
            'task_queue = "orders"\n'
            "\n"
            "[entries.order]\n"
            'kind = "workflow"\n'
            'worker = "worker"\n'
        ),
        'everproc.toml:5: entries.order has no source: kind "workflow" needs it; add source = ...',
    ),
    "workflow without a worker": (
        ('[entries.order]\nkind = "workflow"\nsource = "tests.manifest_shop:order"\n'),
        'everproc.toml:1: entries.order has no worker: kind "workflow" needs it; add worker = ...',
    ),
    "unknown worker": (
        (
            "[entries.worker]\n"
            'kind = "temporal.worker"\n'
            'task_queue = "orders"\n'
            "[entries.order]\n"
            'kind = "workflow"\n'
            'source = "tests.manifest_shop:order"\n'
            'worker = "wroker"\n'
        ),
        (
            "everproc.toml:7: entries.order.worker='wroker' is no entry of kind temporal.worker: did you "
            "mean 'app:worker'?"
        ),
    ),
    "worker that is something else": (
        (
            "[entries.web]\n"
            'kind = "service"\n'
            'source = "tests.manifest_shop:serve"\n'
            "\n"
            "[entries.order]\n"
            'kind = "workflow"\n'
            'source = "tests.manifest_shop:order"\n'
            'worker = "web"\n'
        ),
        (
            "everproc.toml:8: entries.order.worker='web' is of kind service, line 1: expected an entry of "
            "kind temporal.worker"
        ),
    ),
    "source with a dot": (
        (
            "[entries.worker]\n"
            'kind = "temporal.worker"\n'
            'task_queue = "orders"\n'
            "[entries.order]\n"
            'kind = "workflow"\n'
            'source = "tests.manifest_shop.order"\n'
            'worker = "worker"\n'
        ),
        (
            "everproc.toml:6: entries.order.source='tests.manifest_shop.order' is not valid: expected the "
            'place of a function, "package.module:function"; did you mean "tests.manifest_shop:order"?'
        ),
    ),
    "source of a file": (
        (
            "[entries.worker]\n"
            'kind = "temporal.worker"\n'
            'task_queue = "orders"\n'
            "[entries.order]\n"
            'kind = "workflow"\n'
            'source = "file://order.lua"\n'
            'worker = "worker"\n'
        ),
        (
            "everproc.toml:6: entries.order.source='file://order.lua' is not valid: expected the place of a "
            'function, "package.module:function"'
        ),
    ),
    "unknown module": (
        (
            "[entries.worker]\n"
            'kind = "temporal.worker"\n'
            'task_queue = "orders"\n'
            "[entries.order]\n"
            'kind = "workflow"\n'
            'source = "tests.manifest_shp:order"\n'
            'worker = "worker"\n'
        ),
        (
            "everproc.toml:6: entries.order.source: there is no module 'tests.manifest_shp'; did you mean "
            "'tests.manifest_shop'?"
        ),
    ),
    "module that raises": (
        (
            "[entries.worker]\n"
            'kind = "temporal.worker"\n'
            'task_queue = "orders"\n'
            "[entries.order]\n"
            'kind = "workflow"\n'
            'source = "tests.broken_import:order"\n'
            'worker = "worker"\n'
        ),
        (
            "everproc.toml:6: entries.order.source: module 'tests.broken_import' cannot be imported: "
            "RuntimeError: no database here (broken_import.py:3)"
        ),
    ),
    "unknown function": (
        (
            "[entries.worker]\n"
            'kind = "temporal.worker"\n'
            'task_queue = "orders"\n'
            "[entries.order]\n"
            'kind = "workflow"\n'
            'source = "tests.manifest_shop:oder"\n'
            'worker = "worker"\n'
        ),
        (
            "everproc.toml:6: entries.order.source='tests.manifest_shop:oder' is not there: module "
            "tests.manifest_shop has no 'oder'; did you mean 'order'?"
        ),
    ),
    "workflow that is not async": (
        (
            "[entries.worker]\n"
            'kind = "temporal.worker"\n'
            'task_queue = "orders"\n'
            "[entries.order]\n"
            'kind = "workflow"\n'
            'source = "tests.manifest_shop:charge"\n'
            'worker = "worker"\n'
        ),
        (
            "everproc.toml:6: entries.order.source='tests.manifest_shop:charge' is not valid: expected that "
            "of an async function (`async def`)"
        ),
    ),
    "activity of no function": (
        (
            "[entries.worker]\n"
            'kind = "temporal.worker"\n'
            'task_queue = "orders"\n'
            "\n"
            "[entries.charge]\n"
            'kind = "activity"\n'
            'worker = "worker"\n'
            'source = "tests.manifest_shop:TABLE"\n'
        ),
        (
            "everproc.toml:8: entries.charge.source='tests.manifest_shop:TABLE' is not valid: expected that "
            "of a function, not of a dict"
        ),
    ),
    "activity local and a process": (
        (
            "[entries.worker]\n"
            'kind = "temporal.worker"\n'
            'task_queue = "orders"\n'
            "\n"
            "[entries.charge]\n"
            'kind = "activity"\n'
            'worker = "worker"\n'
            'source = "tests.manifest_shop:local"\n'
            "local = true\n"
            "process = true\n"
        ),
        (
            "everproc.toml:9: entries.charge.local: local=True and process=True exclude each other: a "
            "process takes long, and a local activity must not; remove one"
        ),
    ),
    "unknown on_crash": (
        (
            "[entries.worker]\n"
            'kind = "temporal.worker"\n'
            'task_queue = "orders"\n'
            "[entries.order]\n"
            'kind = "workflow"\n'
            'source = "tests.manifest_shop:order"\n'
            'worker = "worker"\n'
            'on_crash = "restart"\n'
        ),
        'everproc.toml:8: entries.order.on_crash=\'restart\' is not valid: expected "fail" or "suspend"',
    ),
    "id that code declares": (
        (
            "[entries.worker]\n"
            'kind = "temporal.worker"\n'
            'task_queue = "orders"\n'
            "\n"
            '[entries."shop:declared"]\n'
            'kind = "workflow"\n'
            'source = "tests.manifest_shop:order"\n'
            'worker = "worker"\n'
        ),
        (
            "everproc.toml:7: entries.shop:declared.source: entry='shop:declared' is declared twice, by "
            "tests.manifest_shop:declared (line 13) and everproc.toml:5 (tests.manifest_shop:order): rename "
            "one of the functions or its namespace"
        ),
    ),
    "another worker than code says": (
        (
            "[entries.worker]\n"
            'kind = "temporal.worker"\n'
            'task_queue = "orders"\n'
            "\n"
            '[entries."shop:declared"]\n'
            'kind = "workflow"\n'
            'source = "tests.manifest_shop:declared"\n'
            'worker = "worker"\n'
        ),
        (
            "everproc.toml:7: entries.shop:declared.source: entry='shop:declared' is declared in different "
            "ways, by tests.manifest_shop:declared (line 13) and everproc.toml:5 "
            "(tests.manifest_shop:declared): make them the same, or remove one"
        ),
    ),
    "service of nothing": (
        ('[entries.web]\nkind = "service"\n'),
        (
            'everproc.toml:1: entries.web: a service runs either a source = "package.module:name", or a '
            'process = "app:name" that is declared: give one of them'
        ),
    ),
    "service of two things": (
        ('[entries.web]\nkind = "service"\nsource = "tests.manifest_shop:serve"\nprocess = "app:serve"\n'),
        (
            'everproc.toml:1: entries.web: a service runs either a source = "package.module:name", or a '
            'process = "app:name" that is declared: give one of them'
        ),
    ),
    "service of no process": (
        ('[entries.web]\nkind = "service"\nsource = "tests.manifest_shop:TABLE"\n'),
        (
            "everproc.toml:3: entries.web.source='tests.manifest_shop:TABLE' is not valid: expected that of an "
            "async function (`async def`)"
        ),
    ),
    "service arguments of no list": (
        ('[entries.web]\nkind = "service"\nsource = "tests.manifest_shop:serve"\nargs = 8080\n'),
        "everproc.toml:4: entries.web.args=8080 is not valid: expected a list, such as [8080]",
    ),
    "lifecycle outside its table": (
        ('[entries.web]\nkind = "service"\nsource = "tests.manifest_shop:serve"\nrequires = ["db"]\n'),
        (
            'everproc.toml:4: entries.web.requires is not a key of kind "service": expected one of: source, '
            "process, args, on, register, wait_ready, options, lifecycle"
        ),
    ),
    "requires of no list": (
        (
            "[entries.db]\n"
            'kind = "service"\n'
            'source = "tests.manifest_shop:serve"\n'
            "[entries.web]\n"
            'kind = "service"\n'
            'source = "tests.manifest_shop:serve"\n'
            "[entries.web.lifecycle]\n"
            'requires = "db"\n'
        ),
        (
            "everproc.toml:8: entries.web.lifecycle.requires='db' is not valid: expected a list of strings, "
            'such as ["db"]'
        ),
    ),
    "requires an unknown service": (
        (
            "[entries.db]\n"
            'kind = "service"\n'
            'source = "tests.manifest_shop:serve"\n'
            "[entries.web]\n"
            'kind = "service"\n'
            'source = "tests.manifest_shop:serve"\n'
            "[entries.web.lifecycle]\n"
            'requires = ["bd"]\n'
        ),
        (
            "everproc.toml:8: entries.web.lifecycle.requires='bd' is no entry of kind service: did you mean "
            "'app:db'?"
        ),
    ),
    "requires itself in a circle": (
        (
            "[entries.db]\n"
            'kind = "service"\n'
            'source = "tests.manifest_shop:serve"\n'
            "[entries.db.lifecycle]\n"
            'requires = ["web"]\n'
            "[entries.web]\n"
            'kind = "service"\n'
            'source = "tests.manifest_shop:serve"\n'
            "[entries.web.lifecycle]\n"
            'requires = ["db"]\n'
        ),
        (
            "everproc.toml:5: entries.db.lifecycle.requires: services require one another: app:db -> "
            "app:web -> app:db"
        ),
    ),
    "unknown lifecycle key": (
        (
            "[entries.web]\n"
            'kind = "service"\n'
            'source = "tests.manifest_shop:serve"\n'
            "[entries.web.lifecycle]\n"
            "autostart = true\n"
        ),
        (
            "everproc.toml:5: entries.web.lifecycle.autostart is not a key of entries.web.lifecycle: did "
            "you mean 'auto_start'?"
        ),
    ),
    "unknown restart": (
        (
            "[entries.web]\n"
            'kind = "service"\n'
            'source = "tests.manifest_shop:serve"\n'
            "[entries.web.lifecycle]\n"
            'restart = "always"\n'
        ),
        (
            "everproc.toml:5: entries.web.lifecycle.restart='always' is not valid: expected \"permanent\" or "
            '"transient" or "temporary"'
        ),
    ),
    "back-off upside down": (
        (
            "[entries.web]\n"
            'kind = "service"\n'
            'source = "tests.manifest_shop:serve"\n'
            "[entries.web.lifecycle.backoff]\n"
            'initial = "1m"\n'
            'max = "1s"\n'
        ),
        (
            "everproc.toml:6: entries.web.lifecycle.backoff.max: max='1s' is not valid: expected at least "
            "initial='1m'"
        ),
    ),
    "back-off that shrinks": (
        (
            "[entries.web]\n"
            'kind = "service"\n'
            'source = "tests.manifest_shop:serve"\n'
            "[entries.web.lifecycle.backoff]\n"
            "factor = 0.5\n"
        ),
        (
            "everproc.toml:5: entries.web.lifecycle.backoff.factor=0.5 is not valid: expected a number from "
            "1 to 1000"
        ),
    ),
    "unknown back-off key": (
        (
            "[entries.web]\n"
            'kind = "service"\n'
            'source = "tests.manifest_shop:serve"\n'
            "[entries.web.lifecycle]\n"
            'backoff = { initial_delay = "1s" }\n'
        ),
        (
            "everproc.toml:5: entries.web.lifecycle.backoff.initial_delay is not a key of "
            "entries.web.lifecycle.backoff: did you mean 'initial'?"
        ),
    ),
    "bare stable threshold": (
        (
            "[entries.web]\n"
            'kind = "service"\n'
            'source = "tests.manifest_shop:serve"\n'
            "[entries.web.lifecycle]\n"
            "stable_threshold = 60\n"
        ),
        (
            "everproc.toml:5: entries.web.lifecycle.stable_threshold=60 is not valid: expected a duration "
            'such as "250ms", "5s", "1h30m"; for 60 seconds write "60s"'
        ),
    ),
    "too many restarts asked for": (
        (
            "[entries.web]\n"
            'kind = "service"\n'
            'source = "tests.manifest_shop:serve"\n'
            "[entries.web.lifecycle]\n"
            "max_restarts = -1\n"
        ),
        (
            "everproc.toml:5: entries.web.lifecycle.max_restarts=-1 is not valid: expected a whole number "
            "of 0 or more"
        ),
    ),
}
