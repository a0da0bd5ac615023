"""Positives from all the shapes of file that `evaluate --data` takes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from postreel.errors import InputError
from postreel.flows.positives import positives_of

ROWS = [(2, 10, 5, 100), (10, 9, 4, 200), (2, 9, 3, 300), (10, 100, 4, 400)]
"""Member, title, rating, time; the third is no positive."""


def check_positives(folder: Path) -> None:
    data, _ = positives_of(folder)
    assert data.title_ids == ("9", "10", "100")  # as numbers, not as text
    found = [
        (int(m), data.title_ids[t], float(at))
        for m, t, at in zip(data.members, data.titles, data.times, strict=True)
    ]
    assert found == [(0, "10", 100.0), (1, "9", 200.0), (1, "100", 400.0)]
    assert data.weights.tolist() == [1.0, 1.0, 1.0]


def test_a_folder_with_ratings_csv(tmp_path: Path) -> None:
    lines = [f"{u},{i},{r}.0,{t}" for u, i, r, t in ROWS]
    (tmp_path / "ratings.csv").write_text("\n".join(["userId,movieId,rating,timestamp", *lines]) + "\n")
    (tmp_path / "movies.csv").write_text('movieId,title,genres\n9,"Fog, The (1980)",Horror|Sci-Fi\n')
    check_positives(tmp_path)
    (title,) = positives_of(tmp_path)[1]
    assert (title.name, title.year, title.genres) == ("Fog, The", 1980, ("horror", "sci-fi"))


def test_a_folder_with_ratings_dat_in_latin_1(tmp_path: Path) -> None:
    (tmp_path / "ratings.dat").write_text("".join(f"{u}::{i}::{r}::{t}\n" for u, i, r, t in ROWS))
    (tmp_path / "movies.dat").write_bytes("9::Misérables, Les (1995)::Drama|Musical\n".encode("latin-1"))
    check_positives(tmp_path)
    (title,) = positives_of(tmp_path)[1]
    assert (title.title_id, title.name, title.genres) == ("9", "Misérables, Les", ("drama", "musical"))


def test_a_folder_with_u_data(tmp_path: Path) -> None:
    (tmp_path / "u.data").write_text("".join(f"{u}\t{i}\t{r}\t{t}\n" for u, i, r, t in ROWS))
    check_positives(tmp_path)
    flags = ["0"] * 19
    flags[5] = flags[18] = "1"
    (tmp_path / "u.item").write_text("9|Heat (1995)|01-Jan-1995||http://x|" + "|".join(flags) + "\n")
    (title,) = positives_of(tmp_path)[1]
    assert title.genres == ("comedy", "western")


def test_each_row_of_a_csv_is_a_positive(tmp_path: Path) -> None:
    file = tmp_path / "plays.csv"
    file.write_text("member,title,time,weight\nu2,a,,\nu1,b,,0\nu1,a,,0.5\n")
    data, titles = positives_of(file)
    assert data.members.tolist() == [0, 0, 1]
    assert data.weights.tolist() == [0.5, 1.0, 1.0]
    assert np.isnan(data.times).all()
    assert titles == []


def test_times_may_be_iso_8601(tmp_path: Path) -> None:
    file = tmp_path / "plays.csv"
    file.write_text("member,title,time,weight\nu,a,1970-01-02T00:00:00Z,1\nu,b,1970-01-01T00:00:05Z,1\n")
    assert positives_of(file)[0].times.tolist() == [86_400.0, 5.0]


def test_parquet_is_read_as_csv_is(tmp_path: Path) -> None:
    file = tmp_path / "plays.parquet"
    table = pa.table({"member": [10, 2], "title": ["x", "y"], "time": [1.0, 2.0], "weight": [1.0, 0.25]})
    pq.write_table(table, file)
    data, _ = positives_of(file)
    assert data.weights.tolist() == [0.25, 1.0]
    assert data.times.tolist() == [2.0, 1.0]


def test_data_of_no_known_form_is_refused_with_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="neither"):
        positives_of(tmp_path)
    file = tmp_path / "x.csv"
    with pytest.raises(InputError, match=r"no x\.csv"):
        positives_of(file)
    file.write_text("member,time\n1,2\n")
    with pytest.raises(InputError, match="has no title"):
        positives_of(file)
    file.write_text("member,title,time\n1,2,noon\n")
    with pytest.raises(InputError, match="neither Unix"):
        positives_of(file)
    (tmp_path / "u.data").write_text("1\t2\tgood\t3\n")
    with pytest.raises(InputError, match="no number"):
        positives_of(tmp_path)
