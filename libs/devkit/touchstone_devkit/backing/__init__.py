"""RabbitMQ and MongoDB, from wherever they can be had."""
