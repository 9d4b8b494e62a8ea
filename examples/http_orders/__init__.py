"""Orders over HTTP: a Starlette application on Hypercorn's trio worker, in one program with a node and its worker.

python -m examples.http_orders
curl -i localhost:8000/orders -d '{"id": "7", "total": "9.50"}'     # 202, and 409 the second time
curl -i localhost:8000/orders/7                                     # 200 with its status, 404 for one unknown
"""
