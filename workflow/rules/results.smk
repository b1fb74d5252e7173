# What is made of the session files: a table of all units, a page, pictures.


rule units_table:
    input:
        sessions=all_sessions,
    output:
        **parquet_output(),
        table=report(
            f"{OUT}/units.csv",
            caption="../report/units.rst",
            category="Tables",
            labels={"table": "units"},
        ),
        columns=report(
            f"{OUT}/{COLUMNS}",
            caption="../report/units_columns.rst",
            category="Tables",
            labels={"table": "columns of units"},
        ),
    log:
        f"{OUT}/logs/units_table.log",
    benchmark:
        f"{OUT}/benchmarks/units_table.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=lambda wildcards, attempt: 60 * attempt,
    script:
        "../../scripts/write_units_table.py"


rule batch_page:
    input:
        table=f"{OUT}/units.csv",  # and so all sessions
        pictures=pictures_to_draw,
    output:
        page=report(
            f"{OUT}/{BATCH_PAGE}",
            caption="../report/batch.rst",
            category="Batch",
            labels={"page": "recordings"},
        ),
    log:
        f"{OUT}/logs/batch_page.log",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=lambda wildcards, attempt: 500 * attempt,
        runtime=lambda wildcards, attempt: 60 * attempt,
    script:
        "../../scripts/write_batch_page.py"


rule draw_overview:
    input:
        session=f"{OUT}/{{recording}}.h5",
    output:
        picture=in_report(f"{OUT}/{{recording}}.png"),
    log:
        f"{OUT}/logs/{{recording}}/overview.log",
    benchmark:
        f"{OUT}/benchmarks/{{recording}}/overview.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=memory_mb("draw_overview"),
        runtime=runtime_min("draw_overview"),
    script:
        "../../scripts/draw_overview.py"


rule refuse_result:
    output:
        mark=temp(touch(f"{OUT}/.refused/{{recording}}")),
    log:
        f"{OUT}/logs/{{recording}}/refused.log",
    benchmark:
        f"{OUT}/benchmarks/{{recording}}/refused.tsv"
    conda:
        "../../environment.yml"
    script:
        "../../scripts/refuse_result.py"
