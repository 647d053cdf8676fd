"""libpq by ctypes, as far as tests and measurements need it: Debian's Python has no PostgreSQL module without a package more."""
import ctypes

OK = (0, 1, 2, 3, 4)  # empty query, command, rows, copy out, copy in
TUPLES = 2


class Postgres:
    """One connection. Calls release the GIL."""
    library = ctypes.CDLL("libpq.so.5")
    for function in ("PQconnectdb", "PQexec", "PQgetResult"):
        getattr(library, function).restype = ctypes.c_void_p
    for function in ("PQerrorMessage", "PQgetvalue"):
        getattr(library, function).restype = ctypes.c_char_p
    copy_data = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int)(("PQputCopyData", library))
    notice = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_char_p)(lambda _, text: None)

    def __init__(self, url):
        self.connection = ctypes.c_void_p(self.library.PQconnectdb(url.encode()))
        if self.library.PQstatus(self.connection):
            self.fail()
        self.library.PQsetNoticeProcessor(self.connection, self.notice, None)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self.connection:
            self.library.PQfinish(self.connection)
            self.connection = None

    def fail(self):
        raise RuntimeError(self.library.PQerrorMessage(self.connection).decode().strip())

    def rows(self, sql):
        """Every row as a list of texts; NULL is None."""
        result = ctypes.c_void_p(self.library.PQexec(self.connection, sql.encode()))
        status = self.library.PQresultStatus(result)
        if status not in OK:
            self.library.PQclear(result)
            self.fail()
        rows = []
        if status == TUPLES:
            columns = range(self.library.PQnfields(result))
            for row in range(self.library.PQntuples(result)):
                rows.append([None if self.library.PQgetisnull(result, row, column) else self.library.PQgetvalue(result, row, column).decode() for column in columns])
        self.library.PQclear(result)
        return rows

    def run(self, sql):
        self.rows(sql)

    def value(self, sql):
        rows = self.rows(sql)
        return rows[0][0] if rows else None

    def put_copy(self, data):
        if self.copy_data(self.connection, data, len(data)) != 1:
            self.fail()

    def end_copy(self):
        if self.library.PQputCopyEnd(self.connection, None) != 1:
            self.fail()
        result = ctypes.c_void_p(self.library.PQgetResult(self.connection))
        if self.library.PQresultStatus(result) != 1:
            self.fail()
        self.library.PQclear(result)
        self.library.PQgetResult(self.connection)

    def copy_to_file(self, sql, path):
        self.run(sql)
        buffer = ctypes.c_void_p()
        with open(path, "wb", buffering=1 << 20) as file:
            while (size := self.library.PQgetCopyData(self.connection, ctypes.byref(buffer), 0)) > 0:
                file.write(ctypes.string_at(buffer, size))
                self.library.PQfreemem(buffer)
        while self.library.PQgetResult(self.connection):
            pass
